// SPDX-License-Identifier: Apache-2.0
// The multipliers for a single pixel, the dense layers': two rows at a time share the column.
// Included once by each width after WEIGHT_BITS.
//
// The stream holds for each pair of channels: both biases << SUM_SHIFT, the words of the two rows
// in turn, then multiplier and power of the first and of the second (finish.h). An odd last channel
// stands alone.
#ifndef TINYKIT_DSP_MULTIPLY1_BODY_H
#define TINYKIT_DSP_MULTIPLY1_BODY_H

#include "finish.h"
#include "tinykit/matmul.h"

#define SUM_SHIFT (8 - WEIGHT_BITS)
#define TOP_OF_BYTES (WEIGHT_BITS == 8 ? 0xFFFFFFFFu : WEIGHT_BITS == 4 ? 0xF0F0F0F0u : 0xC0C0C0C0u)

// `rows` inner products, 1 or 2, over `words` words of each row.
TK_INLINE const uint32_t *dot(const uint32_t *stream, const uint32_t *x, uint32_t words,
                              uint32_t rows, int32_t sum[2])
{
    for (; words != 0; --words) {
        uint32_t row[2] = {stream[0], rows == 2 ? stream[1] : 0};
        stream += rows;
#pragma GCC unroll 4
        for (uint32_t plane = 0; plane < 8 / WEIGHT_BITS; ++plane, x += 2) {
            const uint32_t even = tk_load32_aligned(x), odd = tk_load32_aligned(x + 1);
#pragma GCC unroll 2
            for (uint32_t i = 0; i < rows; ++i) {
                const uint32_t bytes = row[i] & TOP_OF_BYTES;
                sum[i] = tk_smlad(tk_sxtb16(bytes), even, sum[i]);
                sum[i] = tk_smlad(tk_sxtb16_ror8(bytes), odd, sum[i]);
                row[i] <<= WEIGHT_BITS & 7;
            }
        }
    }
    return stream;
}

// Channels `c` to `c` + `rows` - 1.
TK_INLINE const uint32_t *multiply_rows(const tk_matmul *m, const uint32_t *stream,
                                        const uint32_t *columns, uint32_t c, uint32_t rows,
                                        uint8_t *out)
{
    int32_t sum[2] = {(int32_t)stream[0], (int32_t)stream[rows - 1]};
    stream = dot(stream + rows, columns, m->length / (32 / WEIGHT_BITS), rows, sum);
    for (uint32_t i = 0; i < rows; ++i, stream += 2) {
        int32_t value =
            SUM_SHIFT == 0 ? sum[i] * TK_SUM_UNIT : sum[i] >> (SUM_SHIFT + 1 - TK_SUM_UNIT);
        tk_dsp_finish_channel(m, out, c + i, 1, stream, &value);
    }
    return stream;
}

TK_INLINE void multiply1(const tk_matmul *m, const void *columns, uint8_t *out)
{
    const uint32_t channels = m->channels;
    const uint32_t *stream = m->stream;
    uint32_t c = 0;
    for (; c + 2 <= channels; c += 2) {
        stream = multiply_rows(m, stream, columns, c, 2, out);
    }
    if (c < channels) {
        multiply_rows(m, stream, columns, c, 1, out);
    }
}

#endif
