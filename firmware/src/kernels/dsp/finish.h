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

// Requantises `count` sums, each times TK_SUM_UNIT, but for the clamp. `power` is 2^(32 - shift)
// where the shift is 2 or more, so that a second rounding high multiply shifts, rounds and adds the
// zero point at once; elsewhere it is shift - 64, which is negative.
TK_INLINE void tk_scale_sums(const tk_output *q, int32_t multiplier, int32_t power, uint32_t count,
                             int32_t *value)
{
    const int32_t zero_point = q->zero_point;
    if (__builtin_expect(power > 0, 1)) {
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; ++i) {
#if TK_SUM_UNIT == 2
            const int32_t scaled = tk_smmulr(value[i], multiplier);
#else
            const int32_t scaled = tk_multiply_high(value[i], multiplier);
#endif
            value[i] = tk_smmlar(scaled + (scaled >> 31), power, zero_point);
        }
    } else {
        for (uint32_t i = 0; i < count; ++i) {
            value[i] = tk_requantize_one(q, value[i] / TK_SUM_UNIT, multiplier, power + 64);
        }
    }
}

// Whether clamping to the output's width is all the clamping there is.
TK_INLINE int tk_clamps_at_width(const tk_output *q)
{
    return q->high - q->low == (1 << q->bits) - 1;
}

// Clamps the values of channel `c` of `count` pixels, `stride` bytes apart in memory, and stores
// the first `pixels` of them.
TK_INLINE void tk_store_channel(const tk_output *q, uint32_t c, uint32_t count, uint32_t pixels,
                                int32_t *value, uint32_t stride, uint8_t *out)
{
    if (__builtin_expect(!tk_clamps_at_width(q), 0)) {
        for (uint32_t i = 0; i < count; ++i) {
            value[i] = tk_clamp(q, value[i]);
        }
    }
    if (__builtin_expect(q->bits == 8 && pixels == count, 1)) {
        out += c;
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; ++i, out += stride) {
            *out = (uint8_t)tk_ssat8(value[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < pixels; ++i, out += stride) {
        const int32_t one = value[i];
        tk_put(out, c, q->bits,
               q->bits == 8   ? tk_ssat8(one)
               : q->bits == 4 ? tk_ssat4(one)
                              : tk_ssat2(one));
    }
}

#endif
