// SPDX-License-Identifier: Apache-2.0
// How activations become columns. Included by the expanders after ACTIVATION_BITS.
//
// Pixels stand side by side: for each value, that of all pixels of the group follow one another, a
// byte each, or 2 or 4 of them share a word. Values of 4 and 2 bits come out with their offset
// (tk_unpack_offset). Inputs are read a byte at a time, as cores without SIMD often cannot load a
// word from any address.
#ifndef TINYKIT_PLAIN_EXPAND_BODY_H
#define TINYKIT_PLAIN_EXPAND_BODY_H

#include "plain.h"
#include "tinykit/matmul.h"

// Values in a byte, the mask of one, and what adds the offset to all.
#define VALUES (8u / ACTIVATION_BITS)
#define MASK (0xFFu >> (8 - ACTIVATION_BITS))
#define FLIP (ACTIVATION_BITS == 8 ? 0u : ACTIVATION_BITS == 4 ? 0x88u : 0xAAu)

// Takes a byte apart.
TK_INLINE void expand_byte(uint32_t byte, uint32_t step, uint8_t *to)
{
    byte ^= FLIP;
#pragma GCC unroll 4
    for (uint32_t v = 0; v < VALUES; ++v) {
        to[v * step] = (uint8_t)(byte >> (v * ACTIVATION_BITS) & MASK);
    }
}

// One pixel, a byte a value.
TK_INLINE void expand1(const uint8_t *const *pixels, uint32_t count, uint8_t *columns)
{
    const uint8_t *a = pixels[0], *end = a + (count + VALUES - 1) / VALUES;
    for (; a != end; ++a, columns += VALUES) {
        expand_byte(*a, 1, columns);
    }
}

// Four pixels, a byte a value.
TK_INLINE void expand4(const uint8_t *const *pixels, uint32_t count, uint8_t *columns)
{
    const uint8_t *a = pixels[0], *b = pixels[1], *c = pixels[2], *d = pixels[3];
    const uint8_t *end = a + (count + VALUES - 1) / VALUES;
#pragma GCC unroll 4
    for (; a != end; columns += 4 * VALUES) {
        expand_byte(*a++, 4, columns);
        expand_byte(*b++, 4, columns + 1);
        expand_byte(*c++, 4, columns + 2);
        expand_byte(*d++, 4, columns + 3);
    }
}

// A byte of each of `lanes` pixels, to `VALUES` words.
TK_INLINE void expand_word(const uint8_t *const *pixels, uint32_t at, uint32_t lanes, uint32_t step,
                           uint32_t *columns)
{
    const uint32_t bits = 32 / lanes;
    uint32_t shared = 0;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < lanes; ++i) {
        const uint8_t byte = pixels[i][at];
        if (ACTIVATION_BITS == 8) {
            shared += (uint32_t)(int32_t)(int8_t)byte << (i * bits);
        } else {
            shared |= (uint32_t)(byte ^ FLIP) << (i * bits);
        }
    }
    if (ACTIVATION_BITS == 8) {
        *columns = shared;
        return;
    }
    const uint32_t mask = MASK * (lanes == 2 ? 0x00010001u : 0x01010101u);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < VALUES; ++v, columns += step) {
        *columns = shared >> (v * ACTIVATION_BITS) & mask;
    }
}

// Eight pixels, `lanes` to a word.
TK_INLINE void expand_words(const uint8_t *const *pixels, uint32_t count, uint32_t lanes,
                            uint32_t *columns)
{
    const uint32_t bytes = (count + VALUES - 1) / VALUES, step = 8 / lanes;
    for (uint32_t i = 0; i < step; ++i, pixels += lanes, ++columns) {
        uint32_t *to = columns;
        for (uint32_t at = 0; at < bytes; ++at, to += step * VALUES) {
            expand_word(pixels, at, lanes, step, to);
        }
    }
}

#define TK_EXPAND_DEFINE(name, call)                                                               \
    void name(const uint8_t *const *pixels, uint32_t count, uint32_t length, void *columns)        \
    {                                                                                              \
        (void)length;                                                                              \
        call;                                                                                      \
    }

#endif
