// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for groups of eight pixels of 4 or 2 bits, two of them in each
// 16-bit lane, TK_LANE_BITS apart: one SMLAD does four products. Included once by each after
// WEIGHT_BITS.
//
// A sum of two such pixels is s0 + s1 * 2^TK_LANE_BITS. The generator proves from the real weights
// that s0 stays within TK_LANE_BITS bits over `chunk` values; then the two are taken apart.
//
// The stream holds for each channel: bias, the row, multiplier, power (finish.h).
#ifndef TINYKIT_DSP_MULTIPLY8_BODY_H
#define TINYKIT_DSP_MULTIPLY8_BODY_H

#include "narrow.h"
#include "tinykit/matmul.h"

#define BLOCK (32 / WEIGHT_BITS)
// Sums come out larger by this power of two.
#define SUM_SHIFT (8 - WEIGHT_BITS)
// Where a sum starts, so that s0 is never negative in its lane and s1 need not be rounded.
#define LANE_HALF (1 << (TK_LANE_BITS + SUM_SHIFT - 1))

// Adds the two sums in each of four registers to eight.
TK_INLINE void take_apart(const int32_t packed[4], int32_t sum[8])
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t bits = (uint32_t)packed[i];
        const uint32_t low = bits << (32 - TK_LANE_BITS - SUM_SHIFT) >> (32 - TK_LANE_BITS);
        sum[2 * i] += (int32_t)low;
        sum[2 * i + 1] += packed[i] >> (TK_LANE_BITS + SUM_SHIFT);
    }
}

// Eight inner products of a row that several chunks make up.
TK_INLINE const uint32_t *dot8(const tk_matmul *m, const uint32_t *row, const uint32_t *columns,
                               int32_t sum[8])
{
    uint32_t left = m->length;
    do {
        const uint32_t count = left < m->chunk ? left : m->chunk;
        int32_t packed[4] = {LANE_HALF, LANE_HALF, LANE_HALF, LANE_HALF};
        row = tk_dot4_narrow(WEIGHT_BITS, row, columns, count / BLOCK, packed);
        take_apart(packed, sum);
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 8; i += 2) {
            sum[i] -= 1 << (TK_LANE_BITS - 1);
        }
        columns += 2 * count;
        left -= count;
    } while (left != 0);
    return row;
}

TK_INLINE void multiply8(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    const uint32_t channels = m->channels;
    const uint32_t stride = (uint32_t)tk_pixel_bytes(channels, m->output.bits);
    tk_target target = {&m->output, out, stride, 0, pixels};
    const uint32_t *stream = m->stream;
    for (; target.c < channels; ++target.c) {
        const int32_t bias = (int32_t)*stream++;
        int32_t sum[8] = {bias, bias, bias, bias, bias, bias, bias, bias};
        stream = dot8(m, stream, columns, sum);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; ++i) {
            sum[i] *= TK_SUM_UNIT;
        }
        tk_dsp_finish(&target, (int32_t)stream[0], (int32_t)stream[1], sum);
        stream += 2;
    }
}

#endif
