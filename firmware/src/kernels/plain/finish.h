// SPDX-License-Identifier: Apache-2.0
// From the sums of TK_ROWS channels over some pixels to bytes in memory.
#ifndef TINYKIT_PLAIN_FINISH_H
#define TINYKIT_PLAIN_FINISH_H

#include "scale.h"
#include "tinykit/packing.h"

// Scales four sums of one channel, the short way, and clamps.
TK_INLINE void tk_plain_round4(const tk_output *q, const tk_plain_scale *s, int relu,
                               const int32_t sum[4], int32_t value[4])
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
        value[i] = tk_clamp(q, tk_plain_round(s, sum[i], relu));
    }
}

TK_INLINE uint8_t *tk_plain_store4(const tk_output *q, const tk_plain_scale *s, int relu,
                                   const int32_t sum[4], uint32_t stride, uint8_t *out)
{
    int32_t value[4];
    tk_plain_round4(q, s, relu, sum, value);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i, out += stride) {
        *out = (uint8_t)value[i];
    }
    return out;
}

// One channel of 8 bits: `count` sums, of which the first `pixels` are stored, `stride` bytes apart.
TK_INLINE void tk_plain_store8(const tk_output *q, const tk_plain_scale *s, const int32_t *sum,
                               uint32_t count, uint32_t pixels, uint32_t stride, uint8_t *out)
{
    if (count % 4 != 0 || pixels != count || !tk_plain_short(s->power)) {
        for (uint32_t i = 0; i < pixels; ++i, out += stride) {
            *out = (uint8_t)tk_plain_scale_one(q, s, sum[i]);
        }
    } else if (tk_plain_is_relu(q)) {
        for (uint32_t i = 0; i < count; i += 4) {
            out = tk_plain_store4(q, s, 1, sum + i, stride, out);
        }
    } else {
        for (uint32_t i = 0; i < count; i += 4) {
            out = tk_plain_store4(q, s, 0, sum + i, stride, out);
        }
    }
}

// One channel of fewer bits: the values take the place of the sums.
TK_INLINE void tk_plain_keep(const tk_output *q, const tk_plain_scale *s, int32_t *sum,
                             uint32_t count)
{
    if (count % 4 != 0 || !tk_plain_short(s->power)) {
        for (uint32_t i = 0; i < count; ++i) {
            sum[i] = tk_plain_scale_one(q, s, sum[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < count; i += 4) {
        tk_plain_round4(q, s, 0, sum + i, sum + i);
    }
}

// The values of pixel i of the block's channels from `c`, at value[i], value[i + count], …
TK_INLINE void tk_plain_pack(const tk_output *q, uint32_t c, uint32_t rows, const int32_t *value,
                             uint32_t count, uint32_t pixels, uint32_t stride, uint8_t *out)
{
    for (uint32_t i = 0; i < pixels; ++i, ++value, out += stride) {
        if (q->bits == 4 && rows == TK_ROWS) {
            uint8_t *byte = out + (c >> 1);
#pragma GCC unroll 2
            for (uint32_t r = 0; r < TK_ROWS; r += 2) {
                const uint32_t low = (uint32_t)value[r * count] & 15u;
                *byte++ = (uint8_t)(low | (uint32_t)value[(r + 1) * count] << 4);
            }
        } else {
            for (uint32_t r = 0; r < rows; ++r) {
                tk_put(out, c + r, q->bits, value[r * count]);
            }
        }
    }
}

// Channels `c` to `c` + `rows` - 1; `tail` holds the multiplier and power of each, `sum` `count`
// sums of each.
TK_INLINE void tk_plain_finish(const tk_output *q, const uint32_t *tail, uint32_t c, uint32_t rows,
                               int32_t *sum, uint32_t count, uint32_t pixels, uint32_t stride,
                               uint8_t *out)
{
    int32_t *row = sum;
    for (uint32_t r = 0; r < rows; ++r, tail += 2, row += count) {
        const tk_plain_scale s = tk_plain_scale_of(q, (int32_t)tail[0], (int32_t)tail[1]);
        if (q->bits == 8) {
            tk_plain_store8(q, &s, row, count, pixels, stride, out + c + r);
        } else {
            tk_plain_keep(q, &s, row, count);
        }
    }
    if (q->bits != 8) {
        tk_plain_pack(q, c, rows, sum, count, pixels, stride, out);
    }
}

#endif
