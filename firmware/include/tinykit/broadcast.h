// SPDX-License-Identifier: Apache-2.0
// How the second input of an operator on two tensors meets the first: where one of its sides is 1,
// its values there are used again and again. Axes along which it does the same count as one, so
// three are enough for height, width and channels.
#ifndef TINYKIT_BROADCAST_H
#define TINYKIT_BROADCAST_H

#include <stdint.h>

typedef struct {
    // Values in a row of the first input and of the output, rows in a block, and blocks; each is at
    // least 1.
    uint32_t values, rows, blocks;
    // By how many values the second input moves on for a value of a row (0 or 1), for a row and for
    // a block, each counted from where the same began.
    uint32_t value_step, row_step, block_step;
} tk_broadcast;

#endif
