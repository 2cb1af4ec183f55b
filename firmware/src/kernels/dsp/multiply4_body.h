// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for groups of four pixels, one 16-bit lane each. Included once by
// each after it has defined
//   BLOCK        values of a row that one step of dot() takes,
//   SUM_SHIFT    the power of two by which its sums come out too large,
//   dot()        four inner products.
//
// The stream holds for each channel: bias << SUM_SHIFT, the row, multiplier, power (finish.h).
#ifndef TINYKIT_DSP_MULTIPLY4_BODY_H
#define TINYKIT_DSP_MULTIPLY4_BODY_H

#include "finish.h"
#include "tinykit/matmul.h"

TK_INLINE void multiply4(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    const uint32_t channels = m->channels;
    const uint32_t blocks = m->length / BLOCK;
    const uint32_t stride = (uint32_t)tk_pixel_bytes(channels, m->output.bits);
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < channels; ++c) {
        const int32_t bias = (int32_t)*stream++;
        int32_t sum[4] = {bias, bias, bias, bias};
        stream = dot(stream, columns, blocks, sum);
        const int32_t multiplier = (int32_t)stream[0], power = (int32_t)stream[1];
        stream += 2;
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; ++i) {
            sum[i] =
                SUM_SHIFT == 0 ? sum[i] * TK_SUM_UNIT : sum[i] >> (SUM_SHIFT + 1 - TK_SUM_UNIT);
        }
        tk_scale_sums(&m->output, multiplier, power, 4, sum);
        tk_store_channel(&m->output, c, 4, pixels, sum, stride, out);
    }
}

#endif
