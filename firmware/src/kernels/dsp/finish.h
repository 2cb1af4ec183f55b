// SPDX-License-Identifier: Apache-2.0
// From the sums of one channel over a group of pixels to bytes in memory.
#ifndef TINYKIT_DSP_FINISH_H
#define TINYKIT_DSP_FINISH_H

#include "tinykit/inline.h"
#include "tinykit/matmul.h"
#include "tinykit/packing.h"
#include "tinykit/requantize.h"

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

// The same for shifts below 2, given as shift - 64: to the left before the multiplication, or one
// to the right after it. Networks of 2-bit weights have them.
TK_INLINE void tk_scale_coarse(int32_t multiplier, int32_t power, int32_t zero_point,
                               uint32_t count, int32_t *value)
{
    const int32_t shift = power + 64;
    const int32_t left = shift < 0 ? -shift : 0, right = shift > 0 ? 1 : 0;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; ++i) {
        const int32_t shifted = (int32_t)((uint32_t)value[i] << left);
#if TK_SUM_UNIT == 2
        const int32_t scaled = tk_smmulr(shifted, multiplier);
#else
        const int32_t scaled = tk_multiply_high(shifted, multiplier);
#endif
        value[i] = zero_point + ((scaled + (scaled >> 31 & -right) + right) >> right);
    }
}

// The same for any shift.
TK_INLINE void tk_scale_any(const uint32_t scale[2], int32_t zero_point, uint32_t count,
                            int32_t *value)
{
    const int32_t multiplier = (int32_t)scale[0], power = (int32_t)scale[1];
    if (power > 0) {
        tk_scale_sums(multiplier, power, zero_point, count, value);
    } else {
        tk_scale_coarse(multiplier, power, zero_point, count, value);
    }
}

// Whether outputs need no clamp but that of their width: the case that is inlined.
TK_INLINE int tk_clamps_at_width(const tk_output *q)
{
    return q->high - q->low == (1 << q->bits) - 1;
}

// Clamps to bytes and stores `count` of them, `stride` apart; `count` is a constant.
TK_INLINE void tk_store_bytes(uint32_t count, const int32_t *value, uint32_t stride, uint8_t *out)
{
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; ++i, out += stride) {
        *out = (uint8_t)tk_ssat8(value[i]);
    }
}

// Stores fields of `bits` bits, each in a byte of its own, `stride` bytes apart. The first channel
// of a byte sets it, the others add to it.
TK_INLINE void tk_store_fields(uint32_t count, const int32_t *value, uint32_t bits, uint32_t c,
                               uint32_t stride, uint8_t *out)
{
    const uint32_t shift = c * bits & 7u, mask = (1u << bits) - 1u;
    out += c * bits >> 3;
    if (shift == 0) {
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; ++i, out += stride) {
            *out = (uint8_t)((uint32_t)value[i] & mask);
        }
    } else {
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; ++i, out += stride) {
            *out = (uint8_t)(*out | ((uint32_t)value[i] & mask) << shift);
        }
    }
}

// Clamps `count` values to 8, 4 or 2 bits; both are constants.
TK_INLINE void tk_clamp_values(uint32_t count, uint32_t bits, int32_t *value)
{
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; ++i) {
        const int32_t one = value[i];
        value[i] = bits == 8 ? tk_ssat8(one) : bits == 4 ? tk_ssat4(one) : tk_ssat2(one);
    }
}

// Requantises and stores the sums of channel `c` of `count` pixels, where tk_clamps_at_width();
// `count` is a constant, `scale` the multiplier and the power.
TK_INLINE void tk_finish_fields(const tk_matmul *m, const uint32_t scale[2], uint32_t c,
                                uint32_t count, uint8_t *out, int32_t *sum)
{
    const uint32_t bits = m->output.bits;
    tk_scale_any(scale, m->output.zero_point, count, sum);
    if (bits == 4) {
        tk_clamp_values(count, 4, sum);
    } else if (bits == 2) {
        tk_clamp_values(count, 2, sum);
    } else {
        tk_clamp_values(count, 8, sum);
    }
    tk_store_fields(count, sum, bits, c, (m->channels * bits + 7u) >> 3, out);
}

// Where the outputs of one channel go.
typedef struct {
    const tk_output *q;
    // The byte of the first pixel that holds the channel, and the bytes from one pixel to the next.
    uint8_t *out;
    uint32_t stride;
    // How many pixels are wanted.
    uint32_t pixels;
    // Where in its byte an output stands, and which bits of the byte stay as they are.
    uint8_t shift, keep;
} tk_target;

// The target of channel `c`, of pixels at `out`. What follows a channel in its byte is cleared by
// the first channel of the byte, unless it is still input that lies `in_place`.
TK_INLINE tk_target tk_aim(const tk_output *q, uint8_t *out, uint32_t stride, uint32_t c,
                           int in_place)
{
    const uint32_t bits = q->bits, shift = c * bits & 7u;
    const uint32_t before = (1u << shift) - 1u;
    const uint32_t own = ((1u << bits) - 1u) << shift;
    return (tk_target){q, out + (c * bits >> 3), stride,
                       1, (uint8_t)shift,        (uint8_t)(in_place ? ~own : before)};
}

// Stores one output, clamped already.
TK_INLINE void tk_put_at(const tk_target *t, uint8_t *out, int32_t value)
{
    const uint32_t field = (uint32_t)value & ((1u << t->q->bits) - 1u);
    *out = (uint8_t)((*out & t->keep) | field << t->shift);
}

// Requantises and stores the sums, each times TK_SUM_UNIT, of one channel, whatever its output is.
// `scale` is the multiplier and the power.
void tk_dsp_finish(const tk_target *t, const uint32_t scale[2], int32_t *sum);

// The same for channel `c` of `pixels` pixels at `out` that do not lie over their input.
void tk_dsp_finish_channel(const tk_matmul *m, uint8_t *out, uint32_t c, uint32_t pixels,
                           const uint32_t scale[2], int32_t *sum);

#endif
