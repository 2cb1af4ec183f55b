// SPDX-License-Identifier: Apache-2.0
// Copies of bytes, in words where the core can load them or they lie for it. Unlike memcpy, from
// the first to the last: the output may lie over the input from below.
#ifndef TINYKIT_COPY_H
#define TINYKIT_COPY_H

#include "tinykit/inline.h"
#include "tinykit/simd.h"

TK_INLINE int tk_in_words(const uint8_t *from, const uint8_t *to)
{
#if defined(__ARM_FEATURE_UNALIGNED)
    (void)from, (void)to;
    return 1;
#else
    return (((uintptr_t)from | (uintptr_t)to) & 3u) == 0;
#endif
}

TK_INLINE uint32_t tk_word_at(const uint8_t *from)
{
#if defined(__ARM_FEATURE_UNALIGNED)
    return tk_load32(from);
#else
    return tk_load32_aligned(from);
#endif
}

TK_INLINE void tk_put_word(uint8_t *to, uint32_t word)
{
#if defined(__ARM_FEATURE_UNALIGNED)
    tk_store32(to, word);
#else
    tk_store32_aligned(to, word);
#endif
}

// All four are loaded before any is stored.
TK_INLINE void tk_copy_four(const uint8_t *from, uint8_t *to)
{
    const uint32_t a = tk_word_at(from), b = tk_word_at(from + 4);
    const uint32_t c = tk_word_at(from + 8), d = tk_word_at(from + 12);
    tk_put_word(to, a);
    tk_put_word(to + 4, b);
    tk_put_word(to + 8, c);
    tk_put_word(to + 12, d);
}

TK_INLINE void tk_copy(const uint8_t *from, uint8_t *to, uint32_t bytes)
{
    if (bytes >= 4 && tk_in_words(from, to)) {
        for (; bytes >= 16; bytes -= 16, from += 16, to += 16) {
            tk_copy_four(from, to);
        }
        for (; bytes >= 4; bytes -= 4, from += 4, to += 4) {
            tk_put_word(to, tk_word_at(from));
        }
    }
    for (; bytes != 0; --bytes) {
        *to++ = *from++;
    }
}

#endif
