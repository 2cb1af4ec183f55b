// SPDX-License-Identifier: Apache-2.0
// For cores that must count with full adders.
//
// Let v be the words of input ^ weights and p their running exclusive or. The ones of a full adder
// chain are the p themselves, and p = chained input ^ chained weights: one instruction a word, with
// both chained beforehand. Where a pair of words takes p from a over b to c, the carry is a where
// b is 0, and not c where b is 1.
#include "binary_body.h"

#if defined(__thumb2__)

// Two neighbouring words in one instruction.
#define LOAD_TWO(address, at, first, second)                                                       \
    __asm__ volatile("ldrd %0, %1, [%2, %3]"                                                       \
                     : "=&r"(first), "=r"(second)                                                  \
                     : "r"(address), "i"(4 * (at)))

#else

#define LOAD_TWO(address, at, first, second) first = (address)[at], second = (address)[(at) + 1]

#endif

TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t before = t->ones;
    uint32_t x0, x1, w0, w1;
    LOAD_TWO(c.x, at, x0, x1);
    LOAD_TWO(c.w, at, w0, w1);
    const uint32_t middle = x0 ^ w0;
    t->ones = x1 ^ w1;
    return before ^ (middle & ~(before ^ t->ones));
}

TK_INLINE uint32_t fold_last(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t before = t->ones;
    t->ones = c.x[at] ^ c.w[at];
    return before & ~t->ones;
}

TK_INLINE uint32_t count(couple c, uint32_t words)
{
    return __builtin_constant_p(words) ? count_known(c, words) : count_any(c, words);
}

TK_BINARY_WORDS(TK_BINARY_DEFINE, chained)

void tk_binary_chained_bits(const tk_binary_params *p, const uint32_t *window, uint8_t *out)
{
    rows_bits(p, window, out, p->words);
}

void tk_binary_chained_values(const tk_binary_params *p, const uint32_t *window, uint8_t *out)
{
    rows_values(p, window, out, p->words);
}
