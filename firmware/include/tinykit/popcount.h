// SPDX-License-Identifier: Apache-2.0
// Counting the ones of many words without an instruction for it.
//
// Full adders work on whole words: in each of the 32 bit positions they add three bits to a sum and
// a carry. A chain of them over many words (Harley and Seal's method) leaves one word for each
// power of two, and only these few are then summed across their bits: first in pairs, then in
// fours, where words of different weight already join, then in bytes.
#ifndef TINYKIT_POPCOUNT_H
#define TINYKIT_POPCOUNT_H

#include <stdint.h>

// How often each bit position was one: 1 * ones + 2 * twos + 4 * fours + 8 * eights + 16 *
// sixteens.
typedef struct {
    uint32_t ones, twos, fours, eights, sixteens;
} tk_tally;

// Adds `b` and `c` to `*sum` bit by bit; the carries come back.
static inline uint32_t tk_add_bits(uint32_t *sum, uint32_t b, uint32_t c)
{
    const uint32_t a = *sum;
    const uint32_t half = a ^ b;
    *sum = half ^ c;
    return (a & b) | (half & c);
}

// The same for `b` alone.
static inline uint32_t tk_add_bit(uint32_t *sum, uint32_t b)
{
    const uint32_t carry = *sum & b;
    *sum ^= b;
    return carry;
}

// A pattern of bits in a register: where the second operand of an instruction may be shifted for
// nothing (Arm), that saves the shift which a pattern written as an immediate would need.
static inline uint32_t tk_pattern(uint32_t bits)
{
#if defined(__thumb2__)
    __asm__("" : "+r"(bits));
#endif
    return bits;
}

// The ones in each four bits of `mask`: eight numbers up to 4.
static inline uint32_t tk_count_fours(uint32_t mask, uint32_t fives, uint32_t threes)
{
    const uint32_t pairs = mask - (mask >> 1 & fives);
    return (pairs & threes) + (pairs >> 2 & threes);
}

// Eight numbers of four bits to four of eight.
static inline uint32_t tk_join_fours(uint32_t fours, uint32_t fifteens)
{
    return (fours & fifteens) + (fours >> 4 & fifteens);
}

// The sum of four bytes.
static inline uint32_t tk_sum_bytes(uint32_t bytes)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t result;
    __asm__("usad8 %0, %1, %2" : "=r"(result) : "r"(bytes), "r"(0));
    return result;
#else
    const uint32_t halves = (bytes & 0x00FF00FFu) + (bytes >> 8 & 0x00FF00FFu);
    return (halves + (halves >> 16)) & 0xFFFFu;
#endif
}

// The ones of a word.
static inline uint32_t tk_popcount(uint32_t word)
{
    const uint32_t fours = tk_count_fours(word, tk_pattern(0x55555555u), tk_pattern(0x33333333u));
    return tk_sum_bytes(tk_join_fours(fours, tk_pattern(0x0F0F0F0Fu)));
}

// All that was counted. A byte holds at most 8 * 31.
static inline uint32_t tk_tally_total(const tk_tally *t)
{
    const uint32_t fives = tk_pattern(0x55555555u), threes = tk_pattern(0x33333333u);
    const uint32_t fifteens = tk_pattern(0x0F0F0F0Fu);
    const uint32_t low =
        tk_count_fours(t->ones, fives, threes) + 2u * tk_count_fours(t->twos, fives, threes);
    const uint32_t high =
        tk_count_fours(t->fours, fives, threes) + 2u * tk_count_fours(t->eights, fives, threes);
    uint32_t bytes = tk_join_fours(low, fifteens) + 4u * tk_join_fours(high, fifteens);
    bytes += 16u * tk_join_fours(tk_count_fours(t->sixteens, fives, threes), fifteens);
    return tk_sum_bytes(bytes);
}

#endif
