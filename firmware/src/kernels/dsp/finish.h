// SPDX-License-Identifier: Apache-2.0
// From the sums of one channel over a group of pixels to bytes in memory.
#ifndef TINYKIT_DSP_FINISH_H
#define TINYKIT_DSP_FINISH_H

#include "tinykit/packing.h"
#include "tinykit/requantize.h"

#define TK_INLINE static inline __attribute__((always_inline))

// Sums reach the requantisation times this: doubled, one rounding high multiply does. Where that
// could overflow they stay as they are.
#if defined(TK_WIDE_ACCUMULATORS)
#define TK_SUM_UNIT 1
#else
#define TK_SUM_UNIT 2
#endif

// Requantises `count` sums, each times TK_SUM_UNIT, but for the clamp, where the shift is 2 or more
// and `power` 2^(32 - shift): a second rounding high multiply shifts, rounds and adds the zero
// point at once. For other shifts `power` is shift - 64, which is negative.
TK_INLINE void tk_scale_sums(int32_t multiplier, int32_t power, int32_t zero_point, uint32_t count,
                             int32_t *value)
{
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; ++i) {
#if TK_SUM_UNIT == 2
        const int32_t scaled = tk_smmulr(value[i], multiplier);
#else
        const int32_t scaled = tk_multiply_high(value[i], multiplier);
#endif
        value[i] = tk_smmlar(scaled + (scaled >> 31), power, zero_point);
    }
}

// Whether outputs are bytes that need no clamp but that of their width: the case that is inlined.
TK_INLINE int tk_is_plain(const tk_output *q)
{
    return q->bits == 8 && q->high - q->low == 255;
}

// Clamps and stores `count` bytes, `stride` apart, where tk_is_plain(); `count` is a constant.
TK_INLINE void tk_store_bytes(uint32_t count, const int32_t *value, uint32_t stride, uint8_t *out)
{
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; ++i, out += stride) {
        *out = (uint8_t)tk_ssat8(value[i]);
    }
}

// Where the outputs of one channel go.
typedef struct {
    const tk_output *q;
    // The first pixel, and the bytes from one pixel to the next.
    uint8_t *out;
    uint32_t stride;
    // The channel, and how many pixels are wanted.
    uint32_t c, pixels;
} tk_target;

// Requantises and stores the sums, each times TK_SUM_UNIT, of one channel, whatever its output is.
void tk_dsp_finish(const tk_target *t, int32_t multiplier, int32_t power, int32_t *sum);

#endif
