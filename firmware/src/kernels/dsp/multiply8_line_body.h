// SPDX-License-Identifier: Apache-2.0
// multiply8_body.h for narrow outputs along a line (line.h). Included once by each after
// WEIGHT_BITS and OUT_BITS.
//
// A sum of two pixels is s0 * 2^(16 - TK_LANE_BITS) + s1 * 2^16: each is multiplied where it
// stands, by SMLAWB and, once what s0 borrows is given back, SMLAWT. Where there are several
// chunks, their products add up.
//
// The stream holds for each channel: the factor, the offsets of even and of odd pixels, the row.
#ifndef TINYKIT_DSP_MULTIPLY8_LINE_BODY_H
#define TINYKIT_DSP_MULTIPLY8_LINE_BODY_H

#include "line.h"
#include "narrow.h"
#include "tinykit/matmul.h"

#define BLOCK (32 / WEIGHT_BITS)
// How far the lower sum of a register stands above its place.
#define SUM_SHIFT (8 - WEIGHT_BITS - (16 - TK_LANE_BITS))
#define BORROWED 0x8000

// Adds the products of `count` values of a row.
TK_INLINE const uint32_t *add_chunk(const uint32_t *row, const uint32_t *columns, uint32_t count,
                                    int32_t factor, int32_t line[8])
{
    const int32_t low_factor = factor >> (16 - TK_LANE_BITS);
    int32_t sum[4] = {0, 0, 0, 0};
    row = tk_dot4_narrow(WEIGHT_BITS, row, columns, count / BLOCK, sum);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
        const int32_t both = sum[i] >> SUM_SHIFT;
        line[2 * i] = tk_smlawb(low_factor, (uint32_t)both, line[2 * i]);
        line[2 * i + 1] = tk_smlawt(factor, (uint32_t)(both + BORROWED), line[2 * i + 1]);
    }
    return row;
}

// All channels; `several` says, as a constant, whether there is more than one chunk.
TK_INLINE void multiply_all(const tk_matmul *m, const uint32_t *columns, uint32_t pixels,
                            uint8_t *out, int several)
{
    const uint32_t channels = m->channels, stride = (channels * OUT_BITS + 7u) >> 3;
    const uint32_t before = several ? (m->length - 1u) / m->chunk * m->chunk : 0;
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < channels; ++c) {
        const int32_t factor = (int32_t)stream[0];
        const int32_t even = (int32_t)stream[1], odd = (int32_t)stream[2];
        int32_t line[8] = {even, odd, even, odd, even, odd, even, odd};
        const uint32_t *x = columns;
        stream += 3;
        for (uint32_t done = 0; done != before; done += m->chunk, x += 2u * m->chunk) {
            stream = add_chunk(stream, x, m->chunk, factor, line);
        }
        stream = add_chunk(stream, x, m->length - before, factor, line);
        if (pixels == 8) {
            tk_line_store(line, 8, c, stride, out);
        } else {
            const int32_t kept[8] = {line[0], line[1], line[2], line[3],
                                     line[4], line[5], line[6], line[7]};
            tk_line_store_few(kept, pixels, c, stride, out);
        }
    }
}

TK_INLINE void multiply8_line(const tk_matmul *m, const void *columns, uint32_t pixels,
                              uint8_t *out)
{
    if (m->chunk >= m->length) {
        multiply_all(m, columns, pixels, out, 0);
    } else {
        multiply_all(m, columns, pixels, out, 1);
    }
}

#endif
