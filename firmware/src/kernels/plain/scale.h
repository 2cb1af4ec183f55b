// SPDX-License-Identifier: Apache-2.0
// The requantisation of requantize.h with one high multiplication and one shift.
//
// With h = floor(sum * multiplier / 2^30), the first rounding is (h + 1) >> 1, and both roundings
// and the zero point together are (h + 2 * (h < 0 ? -1 : 0) + 1 + 2^shift + zero_point * 2^power)
// >> power, where power is shift + 1. What is taken off negative values cannot be seen where the
// least output is the zero point, as after a ReLU.
//
// The generator encodes a shift of 1 to 21 as its power, and proves |sum| < 2^29, so that nothing
// overflows; any other shift as shift - 64, and that takes the long way. See codegen/pack.py.
#ifndef TINYKIT_PLAIN_SCALE_H
#define TINYKIT_PLAIN_SCALE_H

#include "plain.h"
#include "tinykit/requantize.h"

// The scaling of one channel.
typedef struct {
    int32_t multiplier;
    // As encoded.
    int32_t power;
    // What is added before the shift.
    int32_t constant;
} tk_plain_scale;

TK_INLINE int tk_plain_short(int32_t power)
{
#if defined(TK_WIDE_ACCUMULATORS)
    (void)power;
    return 0;
#else
    return power > 0;
#endif
}

// Whether the usual short cuts hold: negative values end at the least output however they are
// rounded and, where the core has an instruction for that clamp, outputs fill a byte.
TK_INLINE int tk_plain_is_fast(const tk_output *q)
{
#if defined(__ARM_FEATURE_SAT)
    return q->low == -128 && q->high == 127 && q->zero_point == -128;
#else
    return q->low == q->zero_point;
#endif
}

// `fast` as above.
TK_INLINE int32_t tk_plain_clamp(const tk_output *q, int fast, int32_t value)
{
#if defined(__ARM_FEATURE_SAT)
    if (fast) {
        __asm__("ssat %0, #8, %1" : "=r"(value) : "r"(value));
        return value;
    }
#endif
    (void)fast;
    return tk_clamp(q, value);
}

TK_INLINE tk_plain_scale tk_plain_scale_of(const tk_output *q, int32_t multiplier, int32_t power)
{
    const uint32_t twice = (uint32_t)(2 * q->zero_point + 1);
    return (tk_plain_scale){multiplier, power, (int32_t)((twice << ((power - 1) & 31)) + 1u)};
}

// The upper word of a * b; b is not negative.
TK_INLINE int32_t tk_plain_high(int32_t a, int32_t b)
{
#if TK_THUMB1
    // The halves of b stay in registers over a channel.
    const int32_t a1 = a >> 16, b1 = b >> 16;
    const uint32_t a0 = (uint32_t)a & 0xFFFFu, b0 = (uint32_t)b & 0xFFFFu;
    const int32_t mid = a1 * (int32_t)b0 + (int32_t)(a0 * b0 >> 16);
    const int32_t low = (int32_t)((uint32_t)mid & 0xFFFFu) + (int32_t)a0 * b1;
    return a1 * b1 + (mid >> 16) + (low >> 16);
#else
    return (int32_t)(((int64_t)a * b) >> 32);
#endif
}

// One sum, short way, without the clamp. `fast` as above.
TK_INLINE int32_t tk_plain_round(const tk_plain_scale *s, int32_t sum, int fast)
{
    int32_t high = tk_plain_high(sum * 4, s->multiplier);
    if (!fast) {
        high += (high >> 31) * 2;
    }
    return (high + s->constant) >> (s->power & 31);
}

// One sum, either way, clamped.
TK_INLINE int32_t tk_plain_scale_one(const tk_output *q, const tk_plain_scale *s, int32_t sum)
{
    if (tk_plain_short(s->power)) {
        return tk_clamp(q, tk_plain_round(s, sum, 0));
    }
    const int32_t shift = s->power > 0 ? s->power - 1 : s->power + 64;
    return tk_requantize_one(q, sum, s->multiplier, shift);
}

#endif
