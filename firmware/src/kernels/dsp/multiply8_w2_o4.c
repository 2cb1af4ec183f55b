// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, eight pixels, two in a lane, to outputs of 4 bits.
#define WEIGHT_BITS 2
#define OUT_BITS 4

#include "multiply8_line_body.h"

void tk_dsp_multiply8_w2_o4(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    multiply8_line(m, columns, pixels, out);
}
