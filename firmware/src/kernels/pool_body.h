// SPDX-License-Identifier: Apache-2.0
// What avgpool2d.c and maxpool2d.c share: the part of a window that lies inside the input. Included
// once by each.
#ifndef TINYKIT_POOL_BODY_H
#define TINYKIT_POOL_BODY_H

#include "tinykit/inline.h"
#include "tinykit/packing.h"
#include "tinykit/pool.h"

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

#endif
