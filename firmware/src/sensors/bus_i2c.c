// SPDX-License-Identifier: Apache-2.0
#include "tinykit/sensor.h"

const tk_bus tk_bus_i2c = {tk_port_i2c_transfer, 0};
