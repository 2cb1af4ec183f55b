// SPDX-License-Identifier: Apache-2.0
// From sums in vectors to bytes in memory, for cores with MVE. Streams hold shifts negated, as
// VRSHL takes them.
#ifndef TINYKIT_MVE_FINISH_H
#define TINYKIT_MVE_FINISH_H

#include "tinykit/inline.h"
#include "tinykit/packing.h"
#include "tinykit/requantize.h"

#if defined(__ARM_FEATURE_MVE)

#include <arm_mve.h>

// How the right shift rounds; assembly relies on the numbers.
typedef enum {
    // Halves upwards: right where all negative values are clamped to the zero point.
    TK_ROUND_UP = 0,
    // Halves away from zero.
    TK_ROUND_AWAY = 1,
    // As before, and there are shifts to the left or by nothing.
    TK_SHIFT_ANY = 2,
} tk_rounding;

TK_INLINE tk_rounding tk_rounding_of(const tk_output *q, uint32_t any_shift)
{
    if (any_shift != 0) {
        return TK_SHIFT_ANY;
    }
    return q->low == q->zero_point ? TK_ROUND_UP : TK_ROUND_AWAY;
}

// Scales four sums, each with its own multiplier and negated shift.
TK_INLINE int32x4_t tk_scale_each(int32x4_t sum, int32x4_t multiplier, int32x4_t shift,
                                  tk_rounding rounding)
{
    if (rounding == TK_SHIFT_ANY) {
        const int32x4_t none = vdupq_n_s32(0);
        sum = vshlq_s32(sum, vmaxq_s32(shift, none));
        shift = vminq_s32(shift, none);
    }
    sum = vqrdmulhq_s32(sum, multiplier);
    if (rounding == TK_ROUND_AWAY) {
        sum = vaddq_s32(sum, vshrq_n_s32(sum, 31));
    } else if (rounding == TK_SHIFT_ANY) {
        // Where the shift is 0 there is nothing to round.
        sum = vaddq_s32(sum, vshrq_n_s32(vandq_s32(sum, shift), 31));
    }
    return vrshlq_s32(sum, shift);
}

// What outputs have in common.
typedef struct {
    int32_t zero_point;
    int8x16_t low, high;
} tk_limits;

TK_INLINE tk_limits tk_limits_of(const tk_output *q)
{
    return (tk_limits){q->zero_point, vdupq_n_s8(q->low), vdupq_n_s8(q->high)};
}

// Adds the zero point, clamps and narrows: byte 4 i + j of the result comes from lane i of s<j>.
TK_INLINE int8x16_t tk_narrow(tk_limits l, int32x4_t s0, int32x4_t s1, int32x4_t s2, int32x4_t s3)
{
    // In assembly, for the compiler copies registers that are both read and written.
    __asm__("vqmovnb.s32 %q[s0], %q[s0]\n\t"
            "vqmovnt.s32 %q[s0], %q[s2]\n\t"
            "vqmovnb.s32 %q[s1], %q[s1]\n\t"
            "vqmovnt.s32 %q[s1], %q[s3]\n\t"
            "vqadd.s16 %q[s0], %q[s0], %[zero_point]\n\t"
            "vqadd.s16 %q[s1], %q[s1], %[zero_point]\n\t"
            "vqmovnb.s16 %q[s0], %q[s0]\n\t"
            "vqmovnt.s16 %q[s0], %q[s1]\n\t"
            : [s0] "+w"(s0), [s1] "+w"(s1)
            : [s2] "w"(s2), [s3] "w"(s3), [zero_point] "r"(l.zero_point));
    const int8x16_t bytes = vreinterpretq_s8_s32(s0);
    return vminq_s8(vmaxq_s8(bytes, l.low), l.high);
}

// The low nibbles of the bytes of each word, next to each other in its lower half.
TK_INLINE uint32x4_t tk_pack_nibbles(uint32x4_t words)
{
    words = vandq_u32(words, vdupq_n_u32(0x0F0F0F0Fu));
    words = vandq_u32(vorrq_u32(words, vshrq_n_u32(words, 4)), vdupq_n_u32(0x00FF00FFu));
    return vorrq_u32(words, vshrq_n_u32(words, 8));
}

// The low two bits of the bytes of each word, next to each other in its lowest byte.
TK_INLINE uint32x4_t tk_pack_crumbs(uint32x4_t words)
{
    words = vandq_u32(words, vdupq_n_u32(0x03030303u));
    words = vandq_u32(vorrq_u32(words, vshrq_n_u32(words, 6)), vdupq_n_u32(0x000F000Fu));
    return vorrq_u32(words, vshrq_n_u32(words, 12));
}

// Packs the four bytes of each lane, channels that follow each other, to `bits` bits and stores
// them at `out` + `at`, which are multiples of what a lane stores.
TK_INLINE void tk_store_lanes(uint32_t bits, int8x16_t bytes, uint32x4_t at, uint8_t *out)
{
    const uint32x4_t words = vreinterpretq_u32_s8(bytes);
    if (bits == 8) {
        vstrwq_scatter_offset_u32((uint32_t *)(void *)out, at, words);
    } else if (bits == 4) {
        vstrhq_scatter_offset_u32((uint16_t *)(void *)out, at, tk_pack_nibbles(words));
    } else {
        vstrbq_scatter_offset_u32(out, at, tk_pack_crumbs(words));
    }
}

#endif

// Scales one sum, bias included, of channel `c` and stores it in the pixel at `out`.
TK_INLINE void tk_finish_one(const tk_output *q, int32_t sum, int32_t multiplier, int32_t shift,
                             uint32_t c, uint8_t *out)
{
    tk_put(out, c, q->bits, tk_requantize_one(q, sum, multiplier, -shift));
}

#endif
