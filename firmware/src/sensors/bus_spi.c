// SPDX-License-Identifier: Apache-2.0
#include "tinykit/sensor.h"

#define READ 0x80u

static tk_sensor_status read_registers(uint8_t device, uint8_t first, uint8_t *values, size_t count)
{
    const uint8_t out = (uint8_t)(first | READ);
    const int failed = tk_port_spi_transfer(device, &out, 1, values, count);
    return failed != 0 ? TK_SENSOR_ERR_BUS : TK_SENSOR_OK;
}

static tk_sensor_status write_register(uint8_t device, uint8_t number, uint8_t value)
{
    const uint8_t out[2] = {number, value};
    const int failed = tk_port_spi_transfer(device, out, sizeof out, NULL, 0);
    return failed != 0 ? TK_SENSOR_ERR_BUS : TK_SENSOR_OK;
}

const tk_bus tk_bus_spi = {read_registers, write_register};
