// SPDX-License-Identifier: Apache-2.0
#include "copy.h"
#include "tinykit/resize.h"

static void resize_row(const tk_resize_nearest_params *p, const uint8_t *from, uint8_t *to)
{
    const uint32_t pixel = p->pixel_bytes;
    for (uint32_t col = 0; col < p->out_width; ++col, to += pixel) {
        tk_copy(from + p->columns[col] * pixel, to, pixel);
    }
}

tk_status tk_resize_nearest(const tk_resize_nearest_params *p, const void *in, void *out)
{
    const uint32_t in_bytes = p->in_width * p->pixel_bytes;
    const uint32_t out_bytes = p->out_width * p->pixel_bytes;
    uint8_t *to = out;
    for (uint32_t row = 0; row < p->out_height; ++row, to += out_bytes) {
        if (row != 0 && p->rows[row] == p->rows[row - 1]) {
            tk_copy(to - out_bytes, to, out_bytes);
        } else {
            resize_row(p, (const uint8_t *)in + p->rows[row] * in_bytes, to);
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_resize_nearest, layer->in[0], layer->out)
