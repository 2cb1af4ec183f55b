// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, four pixels.
#define BLOCK 16
#define SUM_SHIFT 6

#include "narrow.h"

TK_INLINE const uint32_t *dot(const uint32_t *row, const void *columns, uint32_t blocks,
                              int32_t sum[4])
{
    return tk_dot4_narrow(2, row, columns, blocks, sum);
}

#include "multiply4_body.h"

void tk_dsp_multiply4_w2(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    multiply4(m, columns, pixels, out);
}
