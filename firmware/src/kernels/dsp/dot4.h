// SPDX-License-Identifier: Apache-2.0
// Four inner products at once, as a loop over blocks of a row that the including file gives.
//
// On the core the loop is one piece of assembly, for two reasons: loads of several registers at
// once (LDM, LDRD), which the compiler does not form, and all thirteen registers that it needs. The
// columns come four words a step: the same two values of each of the four pixels.
#ifndef TINYKIT_DSP_DOT4_H
#define TINYKIT_DSP_DOT4_H

#include "finish.h"

#if defined(__ARM_FEATURE_DSP)

// A pair of weights in register `t`: 5 instructions for 8 products.
#define TK_DOT4_STEP(t)                                                                            \
    "ldmia %[x]!, {r4, r5, r6, r8}\n\t"                                                            \
    "smlad %[s0], " t ", r4, %[s0]\n\t"                                                            \
    "smlad %[s1], " t ", r5, %[s1]\n\t"                                                            \
    "smlad %[s2], " t ", r6, %[s2]\n\t"                                                            \
    "smlad %[s3], " t ", r8, %[s3]\n\t"

// Runs `block`, which may use t, u and v, `blocks` times, two a turn.
#define TK_DOT4(block, row, columns, blocks, sum)                                                  \
    do {                                                                                           \
        const void *x_ = (columns);                                                                \
        uint32_t n_ = (blocks), t_, u_, v_;                                                        \
        __asm__ volatile("lsrs %[n], %[n], #1\n\t"                                                 \
                         "bcs 2f\n\t"                                                              \
                         "subs %[n], %[n], #1\n"                                                   \
                         "1:\n\t" block "2:\n\t" block "subs %[n], %[n], #1\n\t"                   \
                         "bpl 1b\n\t"                                                              \
                         : [s0] "+r"((sum)[0]), [s1] "+r"((sum)[1]), [s2] "+r"((sum)[2]),          \
                           [s3] "+r"((sum)[3]), [t] "=&r"(t_), [u] "=&r"(u_), [v] "=&r"(v_),       \
                           [w] "+r"(row), [x] "+r"(x_), [n] "+r"(n_)                               \
                         :                                                                         \
                         : "r4", "r5", "r6", "r8", "cc", "memory");                                \
    } while (0)

#else

// TK_DOT4_STEP in C: weights `t` times four words of columns, which are passed.
TK_INLINE const uint32_t *tk_dot4_step(uint32_t t, const uint32_t *x, int32_t sum[4])
{
    for (uint32_t i = 0; i < 4; ++i) {
        sum[i] = tk_smlad(t, x[i], sum[i]);
    }
    return x + 4;
}

#endif

#endif
