// SPDX-License-Identifier: Apache-2.0
// 32 output channels side by side, one in each bit of a word: no sum across bits is ever needed,
// and the thresholds are compared in all lanes at once.
//
// Bit j of the input, spread over a word, meets the word of weights j of 32 channels. The full
// adders chain over j, so both are chained bit by bit beforehand, as in binary_chained.c.
#include "binary_fold.h"

// A window has fewer than 2^16 words.
#define TK_DIGITS 16

// Counts of 32 channels: the tally of what is less than 32, and the digits above. Two carries of
// the same weight are added at once, so the first of them waits; words from which no second has
// come are those whose digit is set in the number of words so far.
typedef struct {
    tk_tally low;
    uint32_t digits[TK_DIGITS];
    uint32_t waiting[TK_DIGITS];
} counts;

// Exclusive-ors each bit of the window with all before it.
static void chain_bits(uint32_t *window, uint32_t words)
{
    uint32_t last = 0;
    for (; words != 0; --words) {
        uint32_t x = *window;
        x ^= x << 1;
        x ^= x << 2;
        x ^= x << 4;
        x ^= x << 8;
        x ^= x << 16;
        x ^= last;
        // All ones where the last bit is.
        last = (uint32_t)((int32_t)x >> 31);
        *window++ = x;
    }
    TK_WRITTEN;
}

// Bit `at` in every bit of a word.
TK_INLINE uint32_t spread(uint32_t word, uint32_t at)
{
    return (uint32_t)((int32_t)(word << (31u - at)) >> 31);
}

TK_INLINE uint32_t fold(tk_tally *t, couple c, uint32_t at)
{
    const uint32_t before = t->ones, x = *c.x;
    uint32_t w0, w1;
    TK_LOAD_TWO(c.w, at, w0, w1);
    t->ones = spread(x, at + 1) ^ w1;
    return chained_carry(before, spread(x, at) ^ w0, t->ones);
}

// Compares digit by digit: the borrow of count - limit, after one more digit of both.
TK_INLINE uint32_t borrow(uint32_t before, uint32_t count, uint32_t limit)
{
    return before ^ ((count ^ limit) & (limit ^ before));
}

// Adds carries worth 32 that word number `i` gives.
TK_INLINE void carry_on(counts *n, uint32_t carry, uint32_t i)
{
    uint32_t at = 0;
    for (; i & 1u; i >>= 1, ++at) {
        carry = tk_add_bits(&n->digits[at], n->waiting[at], carry);
    }
    n->waiting[at] = carry;
}

// Adds what still waits after `words` words, which have `several` digits.
static void settle(counts *n, uint32_t words, uint32_t several)
{
    for (uint32_t at = 0; at < several; ++at) {
        uint32_t carry = words >> at & 1u ? n->waiting[at] : 0;
        for (uint32_t i = at; i < several; ++i) {
            carry = tk_add_bit(&n->digits[i], carry);
        }
    }
}

// Where the counts are below the limits, whose digits start at `limit`.
TK_INLINE uint32_t below(const counts *n, uint32_t several, const uint32_t *limit)
{
    uint32_t bits = borrow(0, n->low.ones, limit[0]);
    bits = borrow(bits, n->low.twos, limit[1]);
    bits = borrow(bits, n->low.fours, limit[2]);
    bits = borrow(bits, n->low.eights, limit[3]);
    bits = borrow(bits, n->low.sixteens, limit[4]);
    for (uint32_t i = 0; i < several; ++i) {
        bits = borrow(bits, n->digits[i], limit[5 + i]);
    }
    return bits;
}

void tk_binary_lanes(const tk_binary_params *p, uint32_t *window, uint8_t *out)
{
    const int whole = p->channels % 32u == 0;
    const uint32_t words = p->words, several = p->digits;
    const uint32_t *w = p->stream;
    chain_bits(window, words);
    for (uint32_t left = p->channels; left != 0;) {
        const uint32_t lanes = left < 32 ? left : 32;
        counts n;
        n.low = (tk_tally){0, 0, 0, 0, 0};
        for (uint32_t i = 0; i < several; ++i) {
            n.digits[i] = 0;
        }
        for (uint32_t i = 0; i < words; ++i, w += 32) {
            const couple c = {window + i, w};
            const uint32_t first = fold16(&n.low, c, 0);
            carry_on(&n, tk_add_bits(&n.low.sixteens, first, fold16(&n.low, c, 16)), i);
        }
        settle(&n, words, several);
        out = store_bits(out, below(&n, several, w), lanes, whole);
        w += 5 + several;
        left -= lanes;
    }
}
