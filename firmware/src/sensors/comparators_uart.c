// SPDX-License-Identifier: Apache-2.0
// Rows from the serial line, for emulators without such inputs: '>' asks for one.
#include "tinykit/comparators.h"
#include "tinykit/port.h"

static uint32_t row_bytes;

void tk_comparators_start(const tk_comparators_params *params)
{
    row_bytes = params->row_bytes;
}

tk_sensor_status tk_comparators_read(bool idle, uint8_t *row)
{
    (void)idle;
    tk_port_putc('>');
    for (uint32_t i = 0; i < row_bytes; ++i) {
        const int byte = tk_port_getc();
        if (byte < 0) {
            tk_port_exit(0);
        }
        row[i] = (uint8_t)byte;
    }
    return TK_SENSOR_OK;
}
