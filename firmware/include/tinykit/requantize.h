// SPDX-License-Identifier: Apache-2.0
// From an int32 accumulator to an output integer, as TensorFlow Lite's reference kernels round:
// a rounding doubling high multiply, then a rounding right shift (half away from zero).
#ifndef TINYKIT_REQUANTIZE_H
#define TINYKIT_REQUANTIZE_H

#include <stdint.h>

#include "tinykit/simd.h"

typedef struct {
    // The bias of each output channel, with the input's zero point folded in.
    const int32_t *bias;
    // The multiplier of each output channel: 0, or from 2^30 to 2^31 - 1.
    const int32_t *multiplier;
    // The right shift of each output channel after the multiplication, -30 to 31; a negative one
    // shifts left before it.
    const int8_t *shift;
    // What is added after scaling.
    int8_t zero_point;
    // The least output, inclusive.
    int8_t low;
    // The greatest output, inclusive.
    int8_t high;
    // The width of an output in bits: 8, 4 or 2.
    uint8_t bits;
} tk_requantize;

// round(value * multiplier / 2^31), halves towards plus infinity.
//
// The generator proves from the real weights that |value| < 2^30, so that doubling it is safe and
// one rounding high multiply does; where it cannot, it builds with TK_WIDE_ACCUMULATORS.
static inline int32_t tk_multiply_high(int32_t value, int32_t multiplier)
{
#if defined(TK_WIDE_ACCUMULATORS)
    return (int32_t)(((int64_t)value * multiplier + (1LL << 30)) >> 31);
#else
    return tk_smmulr(value * 2, multiplier);
#endif
}

// round(value / 2^shift), halves away from zero; shift is 1 to 31.
static inline int32_t tk_shift_right(int32_t value, int32_t shift)
{
#if defined(TK_WIDE_ACCUMULATORS)
    const int64_t wide = value;
#else
    const int32_t wide = value;
#endif
    return (int32_t)((wide + (value >> 31) + (1 << (shift - 1))) >> shift);
}

// The whole step for one accumulator of channel `c`, clamp included.
static inline int32_t tk_requantize_one(const tk_requantize *q, int32_t acc, int32_t multiplier,
                                        int32_t shift)
{
    int32_t value;
    if (__builtin_expect(shift > 0, 1)) {
        value = tk_shift_right(tk_multiply_high(acc, multiplier), shift);
    } else {
        value = tk_multiply_high((int32_t)((uint32_t)acc << -shift), multiplier);
    }
    value += q->zero_point;
    value = value < q->low ? q->low : value;
    return value > q->high ? q->high : value;
}

#endif
