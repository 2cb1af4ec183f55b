// SPDX-License-Identifier: Apache-2.0
#include "tinykit/sensor.h"

const tk_bus tk_bus_spi = {tk_port_spi_transfer, 0x80};
