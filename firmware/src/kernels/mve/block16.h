// SPDX-License-Identifier: Apache-2.0
// Blocks of 16 channels: from packed pixels to 16 bytes a pixel, and back.
#ifndef TINYKIT_MVE_BLOCK16_H
#define TINYKIT_MVE_BLOCK16_H

#include "finish.h"

// Where the channels of a block lie in a pixel of the input.
typedef struct {
    // Byte of the pixel that holds the first.
    uint32_t start;
    // Channels in the block, at most 16.
    uint32_t count;
    // Width of a value in bits.
    uint32_t bits;
    // Nonzero where each is a byte and follows the one before.
    uint32_t plain;
    // Of each lane its byte from `start`, and the bits below it in that byte, negated.
    uint8_t byte[16];
    int8_t shift[16];
} tk_lanes;

// Output channels `c` and up, `left` of them, each `repeat` of which see one input channel of
// `bits` bits.
static inline tk_lanes tk_lanes_of(uint32_t bits, uint32_t repeat, uint32_t c, uint32_t left)
{
    tk_lanes l = {.count = left < 16 ? left : 16, .bits = bits};
    l.start = c / repeat * bits / 8u;
    l.plain = bits == 8 && repeat == 1;
    for (uint32_t i = 0; i < l.count; ++i) {
        const uint32_t bit = (c + i) / repeat * bits;
        l.byte[i] = (uint8_t)(bit / 8u - l.start);
        l.shift[i] = (int8_t)(-(int32_t)(bit % 8u));
    }
    return l;
}

// Copies the block's channels of `pixels` pixels, `step` bytes apart, to 16 bytes each. Values of 4
// and 2 bits get their offset (tk_unpack_offset). Lanes beyond the block's channels may hold
// anything.
TK_INLINE void tk_copy_lanes(const tk_lanes *l, const uint8_t *from, uint32_t pixels, uint32_t step,
                             uint8_t *to)
{
    from += l->start;
#if defined(__ARM_FEATURE_MVE)
    const mve_pred16_t p = vctp8q(l->count);
    if (l->plain) {
        for (; pixels != 0; --pixels, from += step, to += 16) {
            vstrbq_u8(to, vldrbq_z_u8(from, p));
        }
        return;
    }
    const uint32_t half = 1u << (l->bits - 1u);
    const uint8x16_t mask = vdupq_n_u8((uint8_t)(2u * half - 1u));
    const uint8x16_t flip = vdupq_n_u8((uint8_t)(l->bits == 8 ? 0 : half));
    const uint8x16_t byte = vld1q_u8(l->byte);
    const int8x16_t shift = vld1q_s8(l->shift);
    for (; pixels != 0; --pixels, from += step, to += 16) {
        const uint8x16_t value = vshlq_u8(vldrbq_gather_offset_z_u8(from, byte, p), shift);
        vstrbq_u8(to, veorq_u8(vandq_u8(value, mask), flip));
    }
#else
    const int32_t mask = (1 << l->bits) - 1;
    const int32_t flip = tk_unpack_offset(l->bits);
    for (; pixels != 0; --pixels, from += step, to += 16) {
        for (uint32_t i = 0; i < l->count; ++i) {
            to[i] = (uint8_t)((from[l->byte[i]] >> -l->shift[i] & mask) ^ flip);
        }
    }
#endif
}

#if defined(__ARM_FEATURE_MVE)

// Packs and stores the first `count` of 16 values.
TK_INLINE void tk_store16(const tk_output *q, int8x16_t bytes, uint32_t count, uint8_t *out)
{
    if (q->bits == 8) {
        vstrbq_p_s8((int8_t *)out, bytes, vctp8q(count));
        return;
    }
    // What is left of the last byte is zero.
    bytes = vpselq_s8(bytes, vdupq_n_s8(0), vctp8q(count));
    if (q->bits == 4) {
        const uint16x8_t pairs = vandq_u16(vreinterpretq_u16_s8(bytes), vdupq_n_u16(0x0F0F));
        vstrbq_p_u16(out, vorrq_u16(pairs, vshrq_n_u16(pairs, 4)), vctp16q((count + 1u) / 2u));
    } else {
        vstrbq_p_u32(out, tk_pack_crumbs(vreinterpretq_u32_s8(bytes)), vctp32q((count + 3u) / 4u));
    }
}

#endif

#endif
