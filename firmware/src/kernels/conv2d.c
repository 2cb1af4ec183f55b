// SPDX-License-Identifier: Apache-2.0
#include "tinykit/conv2d.h"

#include <string.h>

#include "tinykit/packing.h"

// What one layer's gathering needs again and again.
typedef struct {
    const tk_conv2d_params *p;
    const uint8_t *in;
    // Bytes a pixel.
    uint32_t pixel_bytes;
    // Whether neighbouring taps of a kernel row lie next to each other without spare bits.
    int contiguous;
    // What a padded value is in a column.
    int16_t blank;
} gather;

static int16_t *fill(int16_t *column, uint32_t count, int16_t value)
{
    for (; count != 0; --count) {
        *column++ = value;
    }
    return column;
}

// Taps `first` to `last` - 1 of one kernel row, all inside the input.
static int16_t *gather_inside(const gather *g, const uint8_t *pixel, uint32_t taps, int16_t *column)
{
    const tk_conv2d_params *p = g->p;
    if (g->contiguous) {
        tk_unpack16(pixel, taps * p->in_channels, p->in_bits, column);
        return column + taps * p->in_channels;
    }
    for (; taps != 0; --taps) {
        tk_unpack16(pixel, p->in_channels, p->in_bits, column);
        column += p->in_channels;
        pixel += p->dilation_width * g->pixel_bytes;
    }
    return column;
}

// One kernel row at input row `y`, whose first tap stands at column `x`; both may lie outside.
static int16_t *gather_row(const gather *g, int32_t y, int32_t x, int16_t *column)
{
    const tk_conv2d_params *p = g->p;
    const uint32_t channels = p->in_channels;
    const int32_t step = p->dilation_width;
    const int32_t width = p->in_width;
    int32_t taps = p->kernel_width;
    if (y < 0 || y >= p->in_height) {
        return fill(column, (uint32_t)taps * channels, g->blank);
    }
    for (; taps != 0 && x < 0; --taps, x += step) {
        column = fill(column, channels, g->blank);
    }
    int32_t inside = 0;
    while (inside < taps && x + inside * step < width) {
        ++inside;
    }
    if (inside > 0) {
        const uint8_t *row = g->in + (uint32_t)(y * width) * g->pixel_bytes;
        column = gather_inside(g, row + (uint32_t)x * g->pixel_bytes, (uint32_t)inside, column);
    }
    return fill(column, (uint32_t)(taps - inside) * channels, g->blank);
}

// All the input that output pixel (row, col) sees.
static void gather_pixel(const gather *g, uint32_t row, uint32_t col, int16_t *column)
{
    const tk_conv2d_params *p = g->p;
    int32_t y = (int32_t)(row * p->stride_height) - p->pad_top;
    const int32_t x = (int32_t)(col * p->stride_width) - p->pad_left;
    for (uint32_t tap = 0; tap < p->kernel_height; ++tap, y += p->dilation_height) {
        column = gather_row(g, y, x, column);
    }
}

static gather gather_start(const tk_conv2d_params *p, const void *in)
{
    const uint32_t bits = (uint32_t)p->in_channels * p->in_bits;
    return (gather){
        .p = p,
        .in = in,
        .pixel_bytes = (uint32_t)tk_pixel_bytes(p->in_channels, p->in_bits),
        .contiguous = p->dilation_width == 1 && (bits & 7u) == 0,
        .blank = (int16_t)(p->in_zero_point + tk_unpack_offset(p->in_bits)),
    };
}

static tk_status convolve(const tk_conv2d_params *p, const void *in, uint8_t *out, int16_t *columns,
                          tk_matmul_run *matmul)
{
    const gather g = gather_start(p, in);
    const uint32_t length = p->matmul.length;
    const uint32_t out_bytes =
        (uint32_t)tk_pixel_bytes(p->matmul.channels, p->matmul.requantize.bits);
    unsigned pending = 0;
    // The tails of both columns meet zero weights and stay zero throughout.
    memset(columns, 0, 2 * length * sizeof *columns);
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col) {
            gather_pixel(&g, row, col, columns + pending * length);
            if (++pending == 2) {
                matmul(&p->matmul, columns, 2, out);
                out += 2 * out_bytes;
                pending = 0;
            }
        }
    }
    if (pending != 0) {
        matmul(&p->matmul, columns, 1, out);
    }
    return TK_OK;
}

tk_status tk_conv2d_w8(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w8);
}

tk_status tk_conv2d_w4(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w4);
}

tk_status tk_conv2d_w2(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w2);
}
