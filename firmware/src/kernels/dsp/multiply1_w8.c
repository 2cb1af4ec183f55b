// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, one pixel.
#define WEIGHT_BITS 8
#include "multiply1_body.h"

void tk_dsp_multiply1_w8(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    (void)pixels;
    multiply1(m, columns, out);
}
