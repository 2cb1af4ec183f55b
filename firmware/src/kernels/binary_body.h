// SPDX-License-Identifier: Apache-2.0
// The frame around binary_chained.c and binary_plain.c; included once by each after it has defined
// fold(), which adds two words of input ^ weights to the ones, and fold_last(), which adds one.
#ifndef TINYKIT_BINARY_BODY_H
#define TINYKIT_BINARY_BODY_H

#include "tinykit/binary.h"
#include "tinykit/packing.h"
#include "tinykit/popcount.h"
#include "tinykit/simd.h"

#define TK_INLINE static inline __attribute__((always_inline))

// A window and a row.
typedef struct {
    const uint32_t *x, *w;
} couple;

// Adds words `at` and `at + 1` to t->ones; the carries, each worth 2, come back.
TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at);

// The same for one word.
TK_INLINE uint32_t fold_last(tk_tally *t, couple c, uint32_t at);

// Four, eight and sixteen words; the carries are worth that much.
TK_INLINE uint32_t fold4(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t first = fold(t, c, at);
    return tk_add_bits(&t->twos, first, fold(t, c, at + 2));
}

TK_INLINE uint32_t fold8(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t first = fold4(t, c, at);
    return tk_add_bits(&t->fours, first, fold4(t, c, at + 4));
}

TK_INLINE uint32_t fold16(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t first = fold8(t, c, at);
    return tk_add_bits(&t->eights, first, fold8(t, c, at + 8));
}

// Add carries worth 4, and carries worth 2; what leaves the eights comes back.
TK_INLINE uint32_t ripple4(tk_tally *t, uint32_t carry)
{
    return tk_add_bit(&t->eights, tk_add_bit(&t->fours, carry));
}

TK_INLINE uint32_t ripple2(tk_tally *t, uint32_t carry)
{
    return ripple4(t, tk_add_bit(&t->twos, carry));
}

// The ones in up to 32 words, a number that the compiler knows.
TK_INLINE uint32_t count_known(couple c, uint32_t words)
{
    tk_tally t = {0, 0, 0, 0, 0};
    uint32_t at = words & 16u, above = 0;
    if (words == 32) {
        t.sixteens = fold16(&t, c, 0);
        above = 32u * tk_popcount(tk_add_bit(&t.sixteens, fold16(&t, c, 16)));
    } else if (at != 0) {
        t.sixteens = fold16(&t, c, 0);
    }
    if (words & 8u) {
        t.sixteens |= tk_add_bit(&t.eights, fold8(&t, c, at));
        at += 8;
    }
    if (words & 4u) {
        t.sixteens |= ripple4(&t, fold4(&t, c, at));
        at += 4;
    }
    if (words & 2u) {
        t.sixteens |= ripple2(&t, fold(&t, c, at));
        at += 2;
    }
    if (words & 1u) {
        t.sixteens |= ripple2(&t, fold_last(&t, c, at));
    }
    return tk_tally_total(&t) + above;
}

// The ones in any multiple of four words.
TK_INLINE uint32_t count_any(couple c, uint32_t words)
{
    tk_tally t = {0, 0, 0, 0, 0};
    uint32_t sixteens = 0;
    for (; words >= 16; words -= 16) {
        sixteens += tk_popcount(fold16(&t, c, 0));
        c = (couple){c.x + 16, c.w + 16};
    }
    for (; words != 0; words -= 4) {
        sixteens += tk_popcount(ripple4(&t, fold4(&t, c, 0)));
        c = (couple){c.x + 4, c.w + 4};
    }
    return tk_tally_total(&t) + 16u * sixteens;
}

// The ones in `words` words; what the compiler does not know is a multiple of four.
TK_INLINE uint32_t count(couple c, uint32_t words);

// Stores the first `count` bits.
TK_INLINE uint8_t *store_bits(uint8_t *out, uint32_t bits, uint32_t count, int whole)
{
    if (whole) {
        tk_store32_aligned(out, bits);
        return out + 4;
    }
    for (; count != 0; count -= count < 8 ? count : 8, bits >>= 8) {
        *out++ = (uint8_t)bits;
    }
    return out;
}

TK_INLINE void rows_bits(const tk_binary_params *p, const uint32_t *window, uint8_t *out,
                         uint32_t words)
{
    const uint32_t *w = p->stream;
    // Only then does every output pixel start at a multiple of four.
    const int whole = p->channels % 32u == 0;
    for (uint32_t left = p->channels; left != 0;) {
        const uint32_t several = left < 32 ? left : 32;
        uint32_t bits = 0;
        for (uint32_t i = several; i != 0; --i, w += words + 1) {
            const uint32_t limit = w[words];
            bits = bits + bits + (count((couple){window, w}, words) < limit);
        }
        out = store_bits(out, bits, several, whole);
        left -= several;
    }
}

TK_INLINE void rows_values(const tk_binary_params *p, const uint32_t *window, uint8_t *out,
                           uint32_t words)
{
    const tk_output q = p->output;
    const uint32_t channels = p->channels;
    const uint32_t *w = p->stream;
    for (uint32_t c = 0; c < channels; ++c, w += words + 3) {
        const int32_t acc = (int32_t)(w[words] - 2u * count((couple){window, w}, words));
        tk_put(out, c, q.bits,
               tk_requantize_one(&q, acc, (int32_t)w[words + 1], (int32_t)w[words + 2]));
    }
}

// The public functions.
#define TK_BINARY_DEFINE(kind, n)                                                                  \
    void tk_binary_##kind##_bits_##n(const tk_binary_params *p, const uint32_t *window,            \
                                     uint8_t *out)                                                 \
    {                                                                                              \
        rows_bits(p, window, out, n);                                                              \
    }                                                                                              \
                                                                                                   \
    void tk_binary_##kind##_values_##n(const tk_binary_params *p, const uint32_t *window,          \
                                       uint8_t *out)                                               \
    {                                                                                              \
        rows_values(p, window, out, n);                                                            \
    }

#endif
