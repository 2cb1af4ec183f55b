// SPDX-License-Identifier: Apache-2.0
#include "tinykit/sensor.h"

tk_sensor_status tk_bus_read(const tk_bus *bus, uint8_t device, uint8_t first, uint8_t *values,
                             size_t count)
{
    const uint8_t out = (uint8_t)(first | bus->read_flag);
    const int failed = bus->transfer(device, &out, 1, values, count);
    return failed != 0 ? TK_SENSOR_ERR_BUS : TK_SENSOR_OK;
}

tk_sensor_status tk_bus_write(const tk_bus *bus, uint8_t device, uint8_t number, uint8_t value)
{
    const uint8_t out[2] = {number, value};
    const int failed = bus->transfer(device, out, sizeof out, NULL, 0);
    return failed != 0 ? TK_SENSOR_ERR_BUS : TK_SENSOR_OK;
}
