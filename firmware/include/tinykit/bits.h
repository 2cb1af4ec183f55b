// SPDX-License-Identifier: Apache-2.0
// What a firmware needs that classifies captures of comparators' bits; generated.
#ifndef TINYKIT_BITS_H
#define TINYKIT_BITS_H

#include <stdint.h>

#include "tinykit/capture.h"
#include "tinykit/comparators.h"
#include "tinykit/majority.h"

typedef struct {
    tk_capture_params capture;
    tk_majority_params majority;
    tk_comparators_params comparators;
    // The last window's packed rows, and the last votes.
    int8_t *ring;
    uint8_t *votes;
} tk_bits_format;

extern const tk_bits_format tk_bits;

#endif
