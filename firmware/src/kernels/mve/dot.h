// SPDX-License-Identifier: Apache-2.0
// Inner products, a block of a row at a time. A block is 16 bytes of weights: 8 / bits planes of 16
// values, the first in the lowest bits of the bytes.
#ifndef TINYKIT_MVE_DOT_H
#define TINYKIT_MVE_DOT_H

#include "finish.h"

// Values in a block.
#define TK_BLOCK(bits) (128u / (bits))

#if defined(__ARM_FEATURE_MVE)

// Plane `q` of a block.
TK_INLINE int8x16_t tk_plane(uint32_t bits, int8x16_t block, uint32_t q)
{
    const uint32_t above = 8u - bits * (q + 1u);
    if (above != 0) {
        block = vshlq_r_s8(block, (int32_t)above);
    }
    return bits == 8 ? block : bits == 4 ? vshrq_n_s8(block, 4) : vshrq_n_s8(block, 6);
}

#endif

// Adds the products of a block of one row with one column.
TK_INLINE int32_t tk_dot_block(uint32_t bits, const uint8_t *row, const int8_t *x, int32_t sum)
{
#if defined(__ARM_FEATURE_MVE)
    const int8x16_t block = vldrbq_s8((const int8_t *)row);
#pragma GCC unroll 4
    for (uint32_t q = 0; q < 8 / bits; ++q, x += 16) {
        sum = vmladavaq_s8(sum, tk_plane(bits, block, q), vldrbq_s8(x));
    }
#else
    for (uint32_t q = 0; q < 8 / bits; ++q, x += 16) {
        for (uint32_t i = 0; i < 16; ++i) {
            const int8_t top = (int8_t)(uint8_t)(row[i] << (8u - bits * (q + 1u)));
            sum += (top >> (8u - bits)) * x[i];
        }
    }
#endif
    return sum;
}

// A channel that is left over when four are taken at a time, for one column: its row, bias,
// multiplier and shift. `blocks` make up the row.
TK_INLINE void tk_dot_rest(uint32_t bits, const tk_output *q, const uint32_t *stream,
                           uint32_t blocks, const int8_t *x, uint32_t c, uint8_t *out)
{
    const uint32_t *scale = stream + 4 * blocks;
    int32_t sum = (int32_t)scale[0];
    for (; blocks != 0; --blocks, stream += 4, x += TK_BLOCK(bits)) {
        sum = tk_dot_block(bits, (const uint8_t *)stream, x, sum);
    }
    tk_finish_one(q, sum, (int32_t)scale[1], (int32_t)scale[2], c, out);
}

#endif
