// SPDX-License-Identifier: Apache-2.0
// From the sums of a block of channels over some pixels to bytes in memory.
#ifndef TINYKIT_PLAIN_FINISH_H
#define TINYKIT_PLAIN_FINISH_H

#include "scale.h"

// Where sums end.
typedef struct {
    const tk_output *output;
    // Output channels in all, and those of a block, at most 4.
    uint32_t channels, rows;
    // Sums of a channel, at most 8, and how many of them are pixels to be stored.
    uint32_t count, pixels;
    // The first pixel, and bytes from one to the next.
    uint8_t *out;
    uint32_t stride;
} tk_plain_target;

// The block from channel `c`, less the channels that do not exist. `tail` holds the multiplier and
// power of each (scale.h), `sum` the sums of one after those of another.
void tk_plain_finish(const tk_plain_target *t, const uint32_t *tail, uint32_t c,
                     const int32_t *sum);

#endif
