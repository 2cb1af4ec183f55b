// SPDX-License-Identifier: Apache-2.0
// The tree of full adders that counts ones, and what else the kernels of one-bit layers share. Each
// includes this once and defines fold().
#ifndef TINYKIT_BINARY_FOLD_H
#define TINYKIT_BINARY_FOLD_H

#include "tinykit/binary.h"
#include "tinykit/inline.h"
#include "tinykit/popcount.h"
#include "tinykit/simd.h"

// A place in the input and the weights that meet it.
typedef struct {
    const uint32_t *x, *w;
} couple;

// Adds numbers `at` and `at + 1` of the words of input ^ weights to t->ones; the carries, each
// worth 2, come back.
TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at);

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

// For the ones of a full adder that went from `before` over `middle` to `after`: its carry. It is
// `before` where middle is 0, and not `after` where middle is 1.
TK_INLINE uint32_t chained_carry(uint32_t before, uint32_t middle, uint32_t after)
{
    return before ^ (middle & ~(before ^ after));
}

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

// Two neighbouring words, in one instruction where there is one; `at` is known to the compiler. It
// is volatile so that the compiler does not load words in advance and spill them, and it does not
// say what memory it reads, which costs registers: what writes a window ends in TK_WRITTEN.
#if defined(__thumb2__)
#define TK_LOAD_TWO(address, at, first, second)                                                    \
    __asm__ volatile("ldrd %0, %1, [%2, %3]"                                                       \
                     : "=&r"(first), "=r"(second)                                                  \
                     : "r"(address), "i"(4 * (at)))
#else
#define TK_LOAD_TWO(address, at, first, second) first = (address)[at], second = (address)[(at) + 1]
#endif
#define TK_WRITTEN __asm__ volatile("" : : : "memory")

#endif
