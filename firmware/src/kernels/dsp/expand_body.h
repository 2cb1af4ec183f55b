// SPDX-License-Identifier: Apache-2.0
// How activations become pairs of halves. Included by the expanders after ACTIVATION_BITS.
//
// A word of packed activations is taken apart into planes of four values, each value the low part
// of a byte: plane q of a word of 4 n values holds values n * b + q for byte b. A plane gives two
// pairs: bytes 0 and 2, bytes 1 and 3. Weights are laid out in the same order (codegen/pack.py), so
// that nothing is shuffled. Values of 4 and 2 bits come out with their offset (tk_unpack_offset).
#ifndef TINYKIT_DSP_EXPAND_BODY_H
#define TINYKIT_DSP_EXPAND_BODY_H

#include "tinykit/inline.h"
#include "tinykit/matmul.h"
#include "tinykit/packing.h"

// Planes in a word, and values.
#define PLANES (8u / ACTIVATION_BITS)
#define VALUES (32u / ACTIVATION_BITS)

// The word at `pixel`, with the sign bits of narrow values flipped, which adds their offset.
TK_INLINE uint32_t load_values(const uint8_t *pixel)
{
    const uint32_t word = tk_load32(pixel);
    return ACTIVATION_BITS == 8 ? word : word ^ (ACTIVATION_BITS == 4 ? 0x88888888u : 0xAAAAAAAAu);
}

// The two pairs of plane `q` of a word.
TK_INLINE uint32_t plane_even(uint32_t word, uint32_t q)
{
    if (ACTIVATION_BITS == 8) {
        return tk_sxtb16(word);
    }
    const uint32_t mask = ACTIVATION_BITS == 4 ? 0x000F000Fu : 0x00030003u;
    return word >> (q * ACTIVATION_BITS) & mask;
}

TK_INLINE uint32_t plane_odd(uint32_t word, uint32_t q)
{
    if (ACTIVATION_BITS == 8) {
        return tk_sxtb16_ror8(word);
    }
    const uint32_t mask = ACTIVATION_BITS == 4 ? 0x000F000Fu : 0x00030003u;
    return word >> (q * ACTIVATION_BITS + 8u) & mask;
}

// One word of one pixel; its pairs stand `step` words apart.
TK_INLINE void expand_word(const uint8_t *pixel, uint32_t step, uint32_t *columns)
{
    const uint32_t word = load_values(pixel);
#pragma GCC unroll 4
    for (uint32_t q = 0; q < PLANES; ++q, columns += 2 * step) {
        tk_store32_aligned(columns, plane_even(word, q));
        tk_store32_aligned(columns + step, plane_odd(word, q));
    }
}

// One word of two pixels that share a lane. The second one's 4 bits reach the top of the lane, so
// they stay signed and have no offset.
TK_INLINE void expand_two_words(const uint8_t *first, const uint8_t *second, uint32_t step,
                                uint32_t *columns)
{
    const uint32_t a = load_values(first);
    const uint32_t b = ACTIVATION_BITS == 4 ? tk_load32(second) : load_values(second);
#pragma GCC unroll 4
    for (uint32_t q = 0; q < PLANES; ++q, columns += 2 * step) {
        tk_store32_aligned(columns, plane_even(a, q) | plane_even(b, q) << TK_LANE_BITS);
        tk_store32_aligned(columns + step, plane_odd(a, q) | plane_odd(b, q) << TK_LANE_BITS);
    }
}

TK_INLINE void expand1(const uint8_t *const *pixels, uint32_t count, uint32_t *columns)
{
    const uint8_t *pixel = pixels[0];
    for (uint32_t i = 0; i < count; i += VALUES, pixel += 4, columns += VALUES / 2u) {
        expand_word(pixel, 1, columns);
    }
}

TK_INLINE void expand4(const uint8_t *const *pixels, uint32_t count, uint32_t *columns)
{
    const uint8_t *a = pixels[0], *b = pixels[1], *c = pixels[2], *d = pixels[3];
    const uint8_t *end = a + (count + VALUES - 1u) / VALUES * 4u;
    while (a != end) {
        expand_word(a, 4, columns);
        expand_word(b, 4, columns + 1);
        expand_word(c, 4, columns + 2);
        expand_word(d, 4, columns + 3);
        a += 4;
        b += 4;
        c += 4;
        d += 4;
        columns += 2u * VALUES;
    }
}

TK_INLINE void expand8(const uint8_t *const *pixels, uint32_t count, uint32_t *columns)
{
    for (uint32_t i = 0; i < 4; ++i) {
        const uint8_t *first = pixels[2 * i], *second = pixels[2 * i + 1];
        const uint8_t *end = first + (count + VALUES - 1u) / VALUES * 4u;
        uint32_t *column = columns + i;
        for (; first != end; first += 4, second += 4, column += 2u * VALUES) {
            expand_two_words(first, second, 4, column);
        }
    }
}

// The public function for groups of `group` pixels.
#define TK_EXPAND_DEFINE(name, group)                                                              \
    void name(const uint8_t *const *pixels, uint32_t count, uint32_t length, void *columns)        \
    {                                                                                              \
        (void)length;                                                                              \
        expand##group(pixels, count, columns);                                                     \
    }

#endif
