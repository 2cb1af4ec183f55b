// SPDX-License-Identifier: Apache-2.0
// From the sums of one channel over a group of pixels to bytes in memory.
#ifndef TINYKIT_DSP_FINISH_H
#define TINYKIT_DSP_FINISH_H

#include "tinykit/matmul.h"
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
