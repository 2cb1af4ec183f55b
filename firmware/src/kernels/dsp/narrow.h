// SPDX-License-Identifier: Apache-2.0
// Inner loops for weights of 4 and 2 bits. A word holds 8 or 4 planes of four weights; moved to the
// top of its bytes, a plane is four signed bytes, each the weight times 2^(8 - bits).
#ifndef TINYKIT_DSP_NARROW_H
#define TINYKIT_DSP_NARROW_H

#include "dot4.h"

#if defined(__ARM_FEATURE_DSP)

// The plane at the top of `u` under `mask`: 13 instructions for 16 products.
#define TK_NARROW_PLANE(mask)                                                                      \
    "and %[v], %[u], #" mask "\n\t"                                                                \
    "sxtb16 %[t], %[v]\n\t" TK_DOT4_STEP("%[t]") "sxtb16 %[t], %[v], ror #8\n\t" TK_DOT4_STEP(     \
        "%[t]")

// Two planes of 4 bits: 28 instructions for 32 products.
#define TK_NARROW_W4                                                                               \
    "ldr %[u], [%[w]], #4\n\t" TK_NARROW_PLANE(                                                    \
        "0xF0F0F0F0") "lsl %[u], %[u], #4\n\t" TK_NARROW_PLANE("0xF0F0F0F0")

// Four planes of 2 bits: 56 instructions for 64 products.
#define TK_NARROW_W2                                                                               \
    "ldr %[u], [%[w]], #4\n\t" TK_NARROW_PLANE(                                                    \
        "0xC0C0C0C0") "lsl %[u], %[u], "                                                           \
                      "#2\n\t" TK_NARROW_PLANE(                                                    \
                          "0xC0C0C0C"                                                              \
                          "0") "lsl "                                                              \
                               "%[u],"                                                             \
                               " %[u]"                                                             \
                               ", "                                                                \
                               "#2\n"                                                              \
                               "\t" TK_NARROW_PLANE(                                               \
                                   "0"                                                             \
                                   "x"                                                             \
                                   "C"                                                             \
                                   "0"                                                             \
                                   "C"                                                             \
                                   "0"                                                             \
                                   "C"                                                             \
                                   "0"                                                             \
                                   "C"                                                             \
                                   "0") "lsl %[u], %[u], #2\n\t" TK_NARROW_PLANE("0xC0C0C0C0")

#endif

// `blocks` words of a row times the columns.
TK_INLINE const uint32_t *tk_dot4_narrow(uint32_t bits, const uint32_t *row, const void *columns,
                                         uint32_t blocks, int32_t sum[4])
{
#if defined(__ARM_FEATURE_DSP)
    if (bits == 4) {
        TK_DOT4(TK_NARROW_W4, row, columns, blocks, sum);
    } else {
        TK_DOT4(TK_NARROW_W2, row, columns, blocks, sum);
    }
#else
    const uint32_t *x = columns;
    const uint32_t top = bits == 4 ? 0xF0F0F0F0u : 0xC0C0C0C0u;
    for (; blocks != 0; --blocks) {
        uint32_t word = *row++;
        for (uint32_t plane = 0; plane < 8 / bits; ++plane, word <<= bits) {
            x = tk_dot4_step(tk_sxtb16(word & top), x, sum);
            x = tk_dot4_step(tk_sxtb16_ror8(word & top), x, sum);
        }
    }
#endif
    return row;
}

#endif
