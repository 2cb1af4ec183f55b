// SPDX-License-Identifier: Apache-2.0
// Comparators behind band-passes and envelope detectors: a row of bits each hop, of which each says
// whether its comparator was high at any time in that hop. Line i is bit i of a row, little end
// first.
//
// There are two sources of rows, of which a firmware has one: comparators_gpio.c watches the lines,
// and comparators_uart.c asks for each row by '>' on the serial line.
#ifndef TINYKIT_COMPARATORS_H
#define TINYKIT_COMPARATORS_H

#include <stdbool.h>
#include <stdint.h>

#include "tinykit/sensor.h"

// The most lines, and the most bytes of a row.
#define TK_COMPARATORS_LINES 32u
#define TK_COMPARATORS_BYTES 4u

typedef struct {
    // How many comparators there are, and the bytes of a row, which are just enough for them.
    uint32_t lines, row_bytes;
    // Microseconds of a hop, at most a second.
    uint32_t hop;
    // How many rows may wait to be read, as long as an inference takes.
    uint32_t depth;
    // Where they wait: depth * row_bytes.
    uint8_t *queue;
} tk_comparators_params;

// Watches the lines. `params` is kept. Nothing runs until one of them is high.
void tk_comparators_start(const tk_comparators_params *params);

// Waits, asleep, for the end of a hop, and gives its row: row_bytes to `row`. With `idle`, where
// all rows have been read and the last one's hop has been followed by silence, the hops end, and
// the core sleeps without a clock until a line is high. That moment is taken for the middle of the
// first hop, which is where it lies on the average.
//
// After TK_SENSOR_ERR_OVERRUN, which gives no row, those that waited are gone.
tk_sensor_status tk_comparators_read(bool idle, uint8_t *row);

#endif
