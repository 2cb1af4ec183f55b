// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, four pixels. A word of four weights becomes two pairs, of weights 0 and 2 and
// of 1 and 3; the columns hold their values in the same order. 25 instructions for 32 products.
#define BLOCK 8
#define SUM_SHIFT 0

#include "dot4.h"

TK_INLINE const uint32_t *dot(const uint32_t *row, const void *columns, uint32_t blocks,
                              int32_t sum[4])
{
#if defined(__ARM_FEATURE_DSP)
#define PAIRS(word)                                                                                \
    "sxtb16 %[t], " word "\n\t" TK_DOT4_STEP("%[t]") "sxtb16 %[t], " word                          \
                                                     ", ror #8\n\t" TK_DOT4_STEP("%[t]")
    TK_DOT4("ldrd %[u], %[v], [%[w]], #8\n\t" PAIRS("%[u]") PAIRS("%[v]"), row, columns, blocks,
            sum);
#else
    const uint32_t *x = columns;
    for (blocks *= 2; blocks != 0; --blocks) {
        const uint32_t word = *row++;
        x = tk_dot4_step(tk_sxtb16(word), x, sum);
        x = tk_dot4_step(tk_sxtb16_ror8(word), x, sum);
    }
#endif
    return row;
}

#include "multiply4_body.h"

void tk_dsp_multiply4_w8(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    multiply4(m, columns, pixels, out);
}
