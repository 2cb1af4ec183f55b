// SPDX-License-Identifier: Apache-2.0
// For cores that may have an instruction that counts the ones of a word; those that have not count
// with full adders.
#include "binary_rows.h"

TK_INLINE void prepare(uint32_t *window, uint32_t words)
{
    (void)window;
    (void)words;
}

TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at)
{
    return tk_add_bits(&t->ones, c.x[at] ^ c.w[at], c.x[at + 1] ^ c.w[at + 1]);
}

TK_INLINE uint32_t fold_last(tk_tally *t, couple c, uint32_t at)
{
    return tk_add_bit(&t->ones, c.x[at] ^ c.w[at]);
}

#if defined(__riscv_zbb)

// `words` is a constant.
TK_INLINE uint32_t count_block(couple c, uint32_t words)
{
    uint32_t ones = 0;
#pragma GCC unroll 32
    for (uint32_t i = 0; i < words; ++i) {
        ones += (uint32_t)__builtin_popcount(c.x[i] ^ c.w[i]);
    }
    return ones;
}

TK_INLINE uint32_t count(couple c, uint32_t words, bool known)
{
    uint32_t ones = 0;
    if (known) {
        return count_block(c, words);
    }
    for (; words != 0; words -= 4) {
        ones += count_block(c, 4);
        c = (couple){c.x + 4, c.w + 4};
    }
    return ones;
}

#else

TK_INLINE uint32_t count(couple c, uint32_t words, bool known)
{
    return known ? count_known(c, words) : count_any(c, words);
}

#endif

TK_BINARY_WORDS(TK_BINARY_DEFINE, plain)

TK_BINARY_DEFINE_ANY(plain)
