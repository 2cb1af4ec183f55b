// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for groups of four pixels. Included once by each after WEIGHT_BITS
// and TK_BLOCK4 (dot4.h).
//
// After its first word (finish.h) the stream holds for each four channels: the rows of the first
// two, block by block in turn, those of the others likewise, then four biases, four multipliers and
// four shifts. Channels left over follow one by one: row, bias, multiplier, shift.
#ifndef TINYKIT_MVE_MULTIPLY4_BODY_H
#define TINYKIT_MVE_MULTIPLY4_BODY_H

#include "dot4.h"
#include "tinykit/matmul.h"

#if defined(__ARM_FEATURE_MVE)

// Bias and scaling for two channels over four pixels; `scale` is at the bias of the first.
TK_INLINE void scale_two(int32x4_t sum[2], const int32_t *scale, tk_rounding rounding)
{
#pragma GCC unroll 2
    for (uint32_t i = 0; i < 2; ++i) {
        sum[i] = vaddq_n_s32(sum[i], scale[i]);
        sum[i] = tk_scale_same(sum[i], scale[4 + i], scale[8 + i], rounding);
    }
}

// The channels that come in fours.
TK_INLINE void multiply_fours(const tk_matmul *m, const int8_t *columns, uint32_t pixels,
                              uint32_t stride, uint8_t *out)
{
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS);
    const tk_rounding rounding = tk_rounding_of(&m->output, m->stream[0]);
    const uint32_t *stream = m->stream + 1;
    // A group that is not full repeats its last pixel, which is then written again.
    const uint32x4_t pixel = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32(pixels - 1u));
    const uint32x4_t at = vmulq_n_u32(pixel, stride);
    for (uint32_t left = m->channels / 4u; left != 0; --left, out += m->output.bits / 2u) {
        const int32_t *scale = (const int32_t *)(stream + 16 * blocks);
        int32x4_t first[2], second[2];
        TK_DOT4(stream, columns, m->length, blocks, first);
        scale_two(first, scale, rounding);
        TK_DOT4(stream + 8 * blocks, columns, m->length, blocks, second);
        scale_two(second, scale + 2, rounding);
        stream += 16 * blocks + 12;
        const int8x16_t bytes = tk_narrow(&m->output, first[0], first[1], second[0], second[1]);
        tk_store_lanes(&m->output, bytes, at, stride, out);
    }
}

#else

TK_INLINE void multiply_fours(const tk_matmul *m, const int8_t *columns, uint32_t pixels,
                              uint32_t stride, uint8_t *out)
{
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS);
    const uint32_t *stream = m->stream + 1;
    for (uint32_t c = 0; c < (m->channels & ~3u); ++c) {
        const uint8_t *row = (const uint8_t *)stream + 32 * blocks * (c >> 1 & 1) + 16 * (c & 1);
        const int32_t *scale = (const int32_t *)(stream + 16 * blocks) + (c & 3u);
        for (uint32_t i = 0; i < pixels; ++i) {
            int32_t sum = scale[0];
            for (uint32_t block = 0; block < blocks; ++block) {
                sum = tk_dot_block(WEIGHT_BITS, row + 32 * block,
                                   columns + i * m->length + block * TK_BLOCK(WEIGHT_BITS), sum);
            }
            tk_finish_one(&m->output, sum, scale[4], scale[8], c, out + i * stride);
        }
        stream += (c & 3u) == 3 ? 16 * blocks + 12 : 0;
    }
}

#endif

TK_INLINE void multiply4(const tk_matmul *m, const int8_t *columns, uint32_t pixels, uint8_t *out)
{
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS);
    const uint32_t stride = (uint32_t)tk_pixel_bytes(m->channels, m->output.bits);
    const uint32_t *rest = m->stream + 1 + (m->channels >> 2) * (16 * blocks + 12);
    multiply_fours(m, columns, pixels, stride, out);
    for (uint32_t c = m->channels & ~3u; c < m->channels; ++c, rest += 4 * blocks + 3) {
        for (uint32_t i = 0; i < pixels; ++i) {
            tk_dot_rest(WEIGHT_BITS, &m->output, rest, blocks, columns + i * m->length, c,
                        out + i * stride);
        }
    }
}

#define TK_MULTIPLY4_DEFINE(name)                                                                  \
    void name(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)              \
    {                                                                                              \
        multiply4(m, columns, pixels, out);                                                        \
    }

#endif
