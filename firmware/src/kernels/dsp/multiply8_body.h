// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for groups of eight pixels of 4 or 2 bits, two of them in each
// 16-bit lane, TK_LANE_BITS apart: one SMLAD does four products. Included once by each after
// WEIGHT_BITS.
//
// A sum of two such pixels is s0 + s1 * 2^TK_LANE_BITS. The generator proves from the real weights
// that s0 stays within TK_LANE_BITS bits over `chunk` values; then the two are taken apart.
//
// The stream holds for each channel: the bias of even and of odd pixels, whose values may be offset
// differently (expand_body.h), the row, multiplier, power (finish.h).
#ifndef TINYKIT_DSP_MULTIPLY8_BODY_H
#define TINYKIT_DSP_MULTIPLY8_BODY_H

#include "narrow.h"
#include "tinykit/matmul.h"

#define BLOCK (32 / WEIGHT_BITS)
// Sums come out larger by this power of two.
#define SUM_SHIFT (8 - WEIGHT_BITS)
// Where a sum starts, so that s0 is never negative in its lane and s1 need not be rounded.
#define LANE_HALF (1 << (TK_LANE_BITS + SUM_SHIFT - 1))

// Takes the sums of eight pixels out of four registers; those of even pixels come with the half of
// a lane on top.
TK_INLINE void take_apart(const int32_t packed[4], int32_t sum[8])
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t bits = (uint32_t)packed[i];
        sum[2 * i] = (int32_t)(bits << (32 - TK_LANE_BITS - SUM_SHIFT) >> (32 - TK_LANE_BITS));
        sum[2 * i + 1] = packed[i] >> (TK_LANE_BITS + SUM_SHIFT);
    }
}

// Eight inner products over `count` values of a row.
TK_INLINE const uint32_t *dot8(const uint32_t *row, const uint32_t *columns, uint32_t count,
                               int32_t sum[8])
{
    int32_t packed[4] = {LANE_HALF, LANE_HALF, LANE_HALF, LANE_HALF};
    row = tk_dot4_narrow(WEIGHT_BITS, row, columns, count / BLOCK, packed);
    take_apart(packed, sum);
    return row;
}

// Adds the sums of all chunks but the last.
static __attribute__((noinline)) const uint32_t *add_chunks(const tk_matmul *m, const uint32_t *row,
                                                            const uint32_t *columns, int32_t sum[8])
{
    const uint32_t last = (m->length - 1u) / m->chunk;
    for (uint32_t i = 0; i < last; ++i, columns += 2u * m->chunk) {
        int32_t part[8];
        row = dot8(row, columns, m->chunk, part);
#pragma GCC unroll 8
        for (uint32_t pixel = 0; pixel < 8; ++pixel) {
            sum[pixel] += part[pixel] - (pixel % 2 == 0 ? 1 << (TK_LANE_BITS - 1) : 0);
        }
    }
    return row;
}

// All channels; `several` says, as a constant, whether there is more than one chunk.
TK_INLINE void multiply_all(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out,
                            int several)
{
    const tk_output *q = &m->output;
    const int full = pixels == 8 && tk_clamps_at_width(q);
    const uint32_t before = several ? (m->length - 1u) / m->chunk * m->chunk : 0;
    const uint32_t *last = (const uint32_t *)columns + 2u * before;
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < m->channels; ++c) {
        const int32_t even = (int32_t)stream[0] - (1 << (TK_LANE_BITS - 1));
        const int32_t odd = (int32_t)stream[1];
        int32_t chunks[8] = {even, odd, even, odd, even, odd, even, odd};
        int32_t sum[8];
        stream += 2;
        if (several) {
            stream = add_chunks(m, stream, columns, chunks);
        }
        stream = dot8(stream, last, m->length - before, sum);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; ++i) {
            sum[i] = (sum[i] + chunks[i]) * TK_SUM_UNIT;
        }
        if (full) {
            tk_finish_fields(m, stream, c, 8, out, sum);
        } else {
            int32_t kept[8] = {sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]};
            tk_dsp_finish_channel(m, out, c, pixels, stream, kept);
        }
        stream += 2;
    }
}

TK_INLINE void multiply8(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    if (m->chunk >= m->length) {
        multiply_all(m, columns, pixels, out, 0);
    } else {
        multiply_all(m, columns, pixels, out, 1);
    }
}

#endif
