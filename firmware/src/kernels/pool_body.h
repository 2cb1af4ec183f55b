// SPDX-License-Identifier: Apache-2.0
// The frame around avgpool2d.c and maxpool2d.c; included once by each after it has defined
// TK_POOL_START, the value of an empty window, and fold(), which takes in one more value, and
// finish(). Channels run outside pixels, so that one register holds the running value.
#ifndef TINYKIT_POOL_BODY_H
#define TINYKIT_POOL_BODY_H

#include "tinykit/packing.h"
#include "tinykit/pool.h"

#define TK_INLINE static inline __attribute__((always_inline))

// The part of a window that lies inside the input.
typedef struct {
    const uint8_t *first;
    uint32_t rows, cols;
    uint32_t row_bytes, pixel_bytes;
} area;

// Cuts [start, start + size) to [0, limit); gives the new start.
static int32_t cut(int32_t start, uint32_t size, uint32_t limit, uint32_t *length)
{
    const int32_t end = start + (int32_t)size;
    const int32_t low = start < 0 ? 0 : start;
    const int32_t high = end > (int32_t)limit ? (int32_t)limit : end;
    *length = (uint32_t)(high - low);
    return low;
}

static area area_at(const tk_pool_params *p, const uint8_t *in, uint32_t row, uint32_t col)
{
    area a;
    const int32_t y = cut((int32_t)(row * p->stride_height) - p->pad_top, p->kernel_height,
                          p->in_height, &a.rows);
    const int32_t x =
        cut((int32_t)(col * p->stride_width) - p->pad_left, p->kernel_width, p->in_width, &a.cols);
    a.pixel_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->bits);
    a.row_bytes = a.pixel_bytes * p->in_width;
    a.first = in + (uint32_t)y * a.row_bytes + (uint32_t)x * a.pixel_bytes;
    return a;
}

TK_INLINE int32_t pool_channel(const area *a, uint32_t c, unsigned bits)
{
    int32_t value = TK_POOL_START;
    const uint8_t *line = a->first;
    for (uint32_t row = a->rows; row != 0; --row, line += a->row_bytes) {
        const uint8_t *pixel = line;
        for (uint32_t col = a->cols; col != 0; --col, pixel += a->pixel_bytes) {
            value = fold(value, tk_get(pixel, c, bits));
        }
    }
    return finish(value, (int32_t)(a->rows * a->cols));
}

TK_INLINE void pool_pixel(const area *a, uint32_t channels, unsigned bits, uint8_t *out)
{
    for (uint32_t c = 0; c < channels; ++c) {
        tk_put(out, c, bits, pool_channel(a, c, bits));
    }
}

TK_INLINE tk_status pool(const tk_pool_params *p, const uint8_t *in, uint8_t *out)
{
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col) {
            const area a = area_at(p, in, row, col);
            if (p->bits == 8) {
                pool_pixel(&a, p->channels, 8, out);
            } else if (p->bits == 4) {
                pool_pixel(&a, p->channels, 4, out);
            } else {
                pool_pixel(&a, p->channels, 2, out);
            }
            out += a.pixel_bytes;
        }
    }
    return TK_OK;
}

#endif
