// SPDX-License-Identifier: Apache-2.0
// multiply4_body.h for weights of 4 and 2 bits and narrow outputs along a line (line.h). Included
// once by each after WEIGHT_BITS and OUT_BITS.
//
// The stream holds for each channel: the factor, the offset, the row.
#ifndef TINYKIT_DSP_MULTIPLY4_LINE_BODY_H
#define TINYKIT_DSP_MULTIPLY4_LINE_BODY_H

#include "line.h"
#include "narrow.h"
#include "tinykit/matmul.h"

#define BLOCK (32 / WEIGHT_BITS)
// Sums come out larger by this power of two, and are brought to TK_LINE_SUM_BITS.
#define SUM_SHIFT (8 - WEIGHT_BITS)
#define TK_LINE_SUM_BITS 14

TK_INLINE void multiply4_line(const tk_matmul *m, const void *columns, uint32_t pixels,
                              uint8_t *out)
{
    const uint32_t channels = m->channels, stride = (channels * OUT_BITS + 7u) >> 3;
    const uint32_t blocks = m->length / BLOCK;
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < channels; ++c) {
        const uint32_t *scale = stream;
        int32_t sum[4] = {0, 0, 0, 0}, line[4];
        stream = tk_dot4_narrow(WEIGHT_BITS, stream + 2, columns, blocks, sum);
        const int32_t factor = (int32_t)scale[0], offset = (int32_t)scale[1];
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; ++i) {
            line[i] = tk_smmla(factor, sum[i] * (1 << (TK_LINE_SUM_BITS - SUM_SHIFT)), offset);
        }
        if (pixels == 4) {
            tk_line_store(line, 4, c, stride, out);
        } else {
            const int32_t kept[4] = {line[0], line[1], line[2], line[3]};
            tk_line_store_few(kept, pixels, c, stride, out);
        }
    }
}

#endif
