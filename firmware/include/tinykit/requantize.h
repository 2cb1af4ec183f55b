// SPDX-License-Identifier: Apache-2.0
// From an int32 accumulator to an output integer, as TensorFlow Lite's reference kernels round:
// a rounding doubling high multiply, then a rounding right shift (half away from zero).
#ifndef TINYKIT_REQUANTIZE_H
#define TINYKIT_REQUANTIZE_H

#include <stdint.h>

#include "tinykit/simd.h"

// What a layer's sums become. The bias, multiplier and shift of each channel lie with its weights:
// the bias has the input's zero point folded in; the multiplier is 0, or from 2^30 to 2^31 - 1; the
// shift is to the right, -30 to 31, where a negative one shifts left before the multiplication.
typedef struct {
    // What is added after scaling.
    int8_t zero_point;
    // The least output, inclusive.
    int8_t low;
    // The greatest output, inclusive.
    int8_t high;
    // The width of an output in bits: 8, 4 or 2.
    uint8_t bits;
} tk_output;

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

static inline int32_t tk_clamp(const tk_output *q, int32_t value)
{
    value = value < q->low ? q->low : value;
    return value > q->high ? q->high : value;
}

// The whole step for one accumulator, clamp included.
static inline int32_t tk_requantize_one(const tk_output *q, int32_t acc, int32_t multiplier,
                                        int32_t shift)
{
    int32_t value;
    if (__builtin_expect(shift > 0, 1)) {
        value = tk_shift_right(tk_multiply_high(acc, multiplier), shift);
    } else {
        value = tk_multiply_high((int32_t)((uint32_t)acc << -shift), multiplier);
    }
    return tk_clamp(q, value + q->zero_point);
}

#endif
