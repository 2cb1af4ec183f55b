// SPDX-License-Identifier: Apache-2.0
// Binary logarithm in fixed point.
#ifndef TINYKIT_LOG2_H
#define TINYKIT_LOG2_H

#include <stdint.h>

// Fraction bits of the result.
#define TK_LOG2_BITS 9

// Leading zero bits of a value that is not 0.
static inline uint32_t tk_leading_zeros(uint32_t value)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_clz(value);
#else
    uint32_t zeros = 0;
    for (; value < 0x80000000u; value <<= 1) {
        ++zeros;
    }
    return zeros;
#endif
}

// log2(high * 2^16 + low) in Q9, at most 2e-4 + 2^-10 octaves off. `low` is below 2^16, and
// either is not 0. From high = 2^16 on, `low` does not count.
int32_t tk_log2_q9(uint32_t high, uint32_t low);

#endif
