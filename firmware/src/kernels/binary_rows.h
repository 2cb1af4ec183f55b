// SPDX-License-Identifier: Apache-2.0
// The frame around binary_chained.c and binary_plain.c: rows one after another. Included once by
// each after it has defined fold(), fold_last(), which adds a single word, count(), and prepare(),
// which readies a window.
#ifndef TINYKIT_BINARY_ROWS_H
#define TINYKIT_BINARY_ROWS_H

#include <stdbool.h>

#include "binary_fold.h"
#include "tinykit/packing.h"

// Puts a window into the form that fold() wants.
TK_INLINE void prepare(uint32_t *window, uint32_t words);

// Adds word `at` to t->ones; the carries come back.
TK_INLINE uint32_t fold_last(tk_tally *t, couple c, uint32_t at);

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

// The ones in `words` words: a number that the compiler knows, or else a multiple of four.
TK_INLINE uint32_t count(couple c, uint32_t words, bool known);

TK_INLINE void rows_bits(const tk_binary_params *p, const uint32_t *window, uint8_t *out,
                         uint32_t words, bool known)
{
    const uint32_t *w = p->stream;
    // Only then does every output pixel start at a multiple of four.
    const int whole = p->channels % 32u == 0;
    for (uint32_t left = p->channels; left != 0;) {
        const uint32_t several = left < 32 ? left : 32;
        uint32_t bits = 0;
        for (uint32_t i = several; i != 0; --i, w += words + 1) {
            const uint32_t limit = w[words];
            bits = bits + bits + (count((couple){window, w}, words, known) < limit);
        }
        out = store_bits(out, bits, several, whole);
        left -= several;
    }
}

TK_INLINE void rows_values(const tk_binary_params *p, const uint32_t *window, uint8_t *out,
                           uint32_t words, bool known)
{
    const tk_output q = p->output;
    const uint32_t channels = p->channels;
    const uint32_t *w = p->stream;
    for (uint32_t c = 0; c < channels; ++c, w += words + 3) {
        const int32_t acc = (int32_t)(w[words] - 2u * count((couple){window, w}, words, known));
        tk_put(out, c, q.bits,
               tk_requantize_one(&q, acc, (int32_t)w[words + 1], (int32_t)w[words + 2]));
    }
}

// The public functions.
#define TK_BINARY_DEFINE(kind, n)                                                                  \
    void tk_binary_##kind##_bits_##n(const tk_binary_params *p, uint32_t *window, uint8_t *out)    \
    {                                                                                              \
        prepare(window, n);                                                                        \
        rows_bits(p, window, out, n, true);                                                        \
    }                                                                                              \
                                                                                                   \
    void tk_binary_##kind##_values_##n(const tk_binary_params *p, uint32_t *window, uint8_t *out)  \
    {                                                                                              \
        prepare(window, n);                                                                        \
        rows_values(p, window, out, n, true);                                                      \
    }

// The same for any multiple of four words.
#define TK_BINARY_DEFINE_ANY(kind)                                                                 \
    void tk_binary_##kind##_bits(const tk_binary_params *p, uint32_t *window, uint8_t *out)        \
    {                                                                                              \
        prepare(window, p->words);                                                                 \
        rows_bits(p, window, out, p->words, false);                                                \
    }                                                                                              \
                                                                                                   \
    void tk_binary_##kind##_values(const tk_binary_params *p, uint32_t *window, uint8_t *out)      \
    {                                                                                              \
        prepare(window, p->words);                                                                 \
        rows_values(p, window, out, p->words, false);                                              \
    }

#endif
