// SPDX-License-Identifier: Apache-2.0
// The last step of every front end: one multiplication, one shift and a clamp per feature.
#ifndef TINYKIT_AFFINE_H
#define TINYKIT_AFFINE_H

#include <stdint.h>

typedef struct {
    // Rounding half included; |value * multiplier| + |offset| stays below 2^31.
    int32_t offset;
    // In [0, 4095].
    int16_t multiplier;
    // In [0, 30].
    uint8_t shift;
} tk_affine_column;

// clamp((value * multiplier + offset) >> shift) to int8.
static inline int8_t tk_affine(const tk_affine_column *column, int32_t value)
{
    const int32_t scaled = (value * column->multiplier + column->offset) >> column->shift;
    const int32_t floored = scaled < -128 ? -128 : scaled;
    return (int8_t)(floored > 127 ? 127 : floored);
}

#endif
