// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, four pixels, to outputs of 4 bits.
#define WEIGHT_BITS 2
#define OUT_BITS 4

#include "multiply4_line_body.h"

void tk_dsp_multiply4_w2_o4(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    multiply4_line(m, columns, pixels, out);
}
