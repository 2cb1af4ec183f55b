// SPDX-License-Identifier: Apache-2.0
// For cores that must count with full adders.
//
// Let v be the words of input ^ weights and p their running exclusive or. The ones of a chain of
// full adders are the p themselves, and p = chained input ^ chained weights: one instruction a
// word, with both chained beforehand.
#include "binary_rows.h"

// Exclusive-ors each word with all before it.
TK_INLINE void prepare(uint32_t *window, uint32_t words)
{
    uint32_t all = 0;
    for (; words != 0; --words) {
        all ^= *window;
        *window++ = all;
    }
    TK_WRITTEN;
}

TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t before = t->ones;
    uint32_t x0, x1, w0, w1;
    TK_LOAD_TWO(c.x, at, x0, x1);
    TK_LOAD_TWO(c.w, at, w0, w1);
    t->ones = x1 ^ w1;
    return chained_carry(before, x0 ^ w0, t->ones);
}

TK_INLINE uint32_t fold_last(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t before = t->ones;
    t->ones = c.x[at] ^ c.w[at];
    return before & ~t->ones;
}

TK_INLINE uint32_t count(couple c, uint32_t words, bool known)
{
    return known ? count_known(c, words) : count_any(c, words);
}

TK_BINARY_WORDS(TK_BINARY_DEFINE, chained)

TK_BINARY_DEFINE_ANY(chained)
