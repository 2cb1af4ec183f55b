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

TK_INLINE void tk_copy_word(const uint8_t *from, uint8_t *to)
{
#if defined(__ARM_FEATURE_UNALIGNED)
    tk_store32(to, tk_load32(from));
#else
    tk_store32_aligned(to, tk_load32_aligned(from));
#endif
}

TK_INLINE void tk_copy(const uint8_t *from, uint8_t *to, uint32_t bytes)
{
    if (bytes >= 4 && tk_in_words(from, to)) {
#pragma GCC unroll 4
        for (; bytes >= 4; bytes -= 4, from += 4, to += 4) {
            tk_copy_word(from, to);
        }
    }
    for (; bytes != 0; --bytes) {
        *to++ = *from++;
    }
}

#endif
