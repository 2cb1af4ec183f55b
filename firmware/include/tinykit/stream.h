// SPDX-License-Identifier: Apache-2.0
// What a firmware needs that classifies sliding windows of a sensor's samples; generated.
#ifndef TINYKIT_STREAM_H
#define TINYKIT_STREAM_H

#include <stdint.h>

#include "tinykit/lsm6dsx.h"
#include "tinykit/majority.h"
#include "tinykit/window.h"

typedef struct {
    tk_window_params window;
    tk_majority_params majority;
    tk_lsm6dsx_params sensor;
    // Microseconds to sleep where the sensor has no more samples.
    uint32_t wait;
    // The mode that a network with exits starts in.
    uint32_t mode;
    // The last window's rows, and the last votes.
    int8_t *ring;
    uint8_t *votes;
} tk_stream_format;

extern const tk_stream_format tk_stream;

#endif
