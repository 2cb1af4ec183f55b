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

// The sums of one channel times TK_SUM_UNIT.
TK_INLINE const uint32_t *sum_channel(const uint32_t *stream, const void *columns, uint32_t blocks,
                                      int32_t sum[4])
{
    const int32_t bias = (int32_t)*stream++;
    sum[0] = sum[1] = sum[2] = sum[3] = bias;
    stream = dot(stream, columns, blocks, sum);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
        sum[i] = SUM_SHIFT == 0 ? sum[i] * TK_SUM_UNIT : sum[i] >> (SUM_SHIFT + 1 - TK_SUM_UNIT);
    }
    return stream;
}

// All channels of outputs that are bytes, clamped at their width, and of shifts of 2 or more.
TK_INLINE void multiply_plain(const tk_matmul *m, const void *columns, uint8_t *out)
{
    const uint32_t channels = m->channels, blocks = m->length / BLOCK;
    const int32_t zero_point = m->output.zero_point;
    const uint8_t *end = out + channels;
    const uint32_t *stream = m->stream;
    for (; out != end; ++out, stream += 2) {
        int32_t sum[4];
        stream = sum_channel(stream, columns, blocks, sum);
        tk_scale_sums((int32_t)stream[0], (int32_t)stream[1], zero_point, 4, sum);
        tk_store_bytes(4, sum, channels, out);
    }
}

TK_INLINE void multiply_any(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    const uint32_t blocks = m->length / BLOCK;
    const int full = pixels == 4 && tk_clamps_at_width(&m->output);
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < m->channels; ++c, stream += 2) {
        int32_t sum[4];
        stream = sum_channel(stream, columns, blocks, sum);
        if (full) {
            tk_finish_fields(m, stream, c, 4, out, sum);
        } else {
            int32_t kept[4] = {sum[0], sum[1], sum[2], sum[3]};
            tk_dsp_finish_channel(m, out, c, pixels, stream, kept);
        }
    }
}

TK_INLINE void multiply4(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    if (m->plain && pixels == 4) {
        multiply_plain(m, columns, out);
    } else {
        multiply_any(m, columns, pixels, out);
    }
}

#endif
