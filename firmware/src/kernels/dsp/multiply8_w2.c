// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, eight pixels, two in a lane.
#define WEIGHT_BITS 2

#include "multiply8_body.h"

void tk_dsp_multiply8_w2(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    multiply8(m, columns, pixels, out);
}
