// SPDX-License-Identifier: Apache-2.0
// What the kernels for cores without SIMD share: how many sums they keep in registers.
#ifndef TINYKIT_PLAIN_PLAIN_H
#define TINYKIT_PLAIN_PLAIN_H

#include <stdint.h>

#include "tinykit/inline.h"

// Channels whose weights lie interleaved: 4 on cores with 31 registers, 2 on those with 13. The
// weights are laid out to match (codegen/variants.py).
#if !defined(TK_ROWS)
#if defined(__arm__)
#define TK_ROWS 2
#else
#define TK_ROWS 4
#endif
#endif

// 1 for Thumb-1, which has eight registers for arithmetic and no long multiplication. May be set
// for other machines, to test its code there.
#if !defined(TK_THUMB1)
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define TK_THUMB1 1
#else
#define TK_THUMB1 0
#endif
#endif

// Columns that one pass over a row multiplies, at most: TK_ROWS * TK_PASS sums.
#define TK_PASS (TK_THUMB1 ? 2 : 4)

// *sum += a * b. Neither this nor a load is moved past another: the compiler would load and
// multiply ahead, for which there are no registers, and let sums wander from one register to
// another.
TK_INLINE void tk_plain_mac(int32_t *sum, int32_t a, int32_t b)
{
#if defined(__riscv)
    int32_t product;
    __asm__ volatile("mul %1, %2, %3\n\tadd %0, %0, %1"
                     : "+r"(*sum), "=&r"(product)
                     : "r"(a), "r"(b)
                     : "memory");
#elif defined(__arm__) && TK_THUMB1
    // Sums may stand in the upper registers, which can do nothing but this.
    __asm__ volatile("add %0, %1" : "+r"(*sum) : "r"(a * b) : "memory", "cc");
#else
    *sum += a * b;
    __asm__ volatile("" : "+r"(*sum)::"memory");
#endif
}

#endif
