// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for one pixel. Included once by each after WEIGHT_BITS.
//
// The stream is as in multiply4_body.h, but for each four channels it holds their rows, block by
// block in turn, then four biases, four multipliers and four shifts.
#ifndef TINYKIT_MVE_MULTIPLY1_BODY_H
#define TINYKIT_MVE_MULTIPLY1_BODY_H

#include "dot.h"
#include "tinykit/matmul.h"

// Adds the inner products of four rows, which are passed in the stream.
TK_INLINE const uint32_t *dot_rows(const uint32_t *stream, const int8_t *x, uint32_t blocks,
                                   int32_t sum[4])
{
    for (; blocks != 0; --blocks, stream += 16, x += TK_BLOCK(WEIGHT_BITS)) {
        const uint8_t *row = (const uint8_t *)stream;
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; ++i) {
            sum[i] = tk_dot_block(WEIGHT_BITS, row + 16 * i, x, sum[i]);
        }
    }
    return stream;
}

// Scales the sums of channels `c` to `c` + 3 and stores them; `scale` is at their biases.
TK_INLINE void finish_rows(const tk_matmul *m, const int32_t *scale, const int32_t sum[4],
                           uint32_t c, uint8_t *out)
{
    const tk_output *q = &m->output;
#if defined(__ARM_FEATURE_MVE)
    const int32x4_t none = vdupq_n_s32(0);
    const int32x4_t scaled =
        tk_scale_each(vaddq_s32(vld1q_s32(sum), vld1q_s32(scale)), vld1q_s32(scale + 4),
                      vld1q_s32(scale + 8), tk_rounding_of(q, m->stream[0]));
    // The four land in the lowest bytes of the lanes.
    int32_t bytes[4];
    vst1q_s32(bytes, vreinterpretq_s32_s8(tk_narrow(tk_limits_of(q), scaled, none, none, none)));
    for (uint32_t i = 0; i < 4; ++i) {
        tk_put(out, c + i, q->bits, (int8_t)bytes[i]);
    }
#else
    for (uint32_t i = 0; i < 4; ++i) {
        tk_finish_one(q, sum[i] + scale[i], scale[4 + i], scale[8 + i], c + i, out);
    }
#endif
}

TK_INLINE void multiply1(const tk_matmul *m, const int8_t *x, uint8_t *out)
{
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS);
    const uint32_t *stream = m->stream + 1;
    const uint32_t in_fours = m->channels & ~3u;
    uint32_t c = 0;
    for (; c < in_fours; c += 4, stream += 12) {
        int32_t sum[4] = {0, 0, 0, 0};
        stream = dot_rows(stream, x, blocks, sum);
        finish_rows(m, (const int32_t *)stream, sum, c, out);
    }
    for (; c < m->channels; ++c, stream += 4 * blocks + 3) {
        tk_dot_rest(WEIGHT_BITS, &m->output, stream, blocks, x, c, out);
    }
}

#define TK_MULTIPLY1_DEFINE(name)                                                                  \
    void name(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)              \
    {                                                                                              \
        (void)pixels;                                                                              \
        multiply1(m, columns, out);                                                                \
    }

#endif
