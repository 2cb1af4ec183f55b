// SPDX-License-Identifier: Apache-2.0
// Convolution as a walk over groups of output pixels: gather what they see, multiply, go on.
//
// Borders are split from the interior a pixel at a time: a run that lies inside the input is read
// where it lies; one that reaches outside is first put together beside the columns.
#include "tinykit/conv2d.h"

#include <string.h>

#include "tinykit/packing.h"

// What an output pixel sees.
typedef struct {
    // Input row of the first kernel row, and input column of the first run; both may be negative.
    int32_t y, x;
    // Bytes from the start of the input to there.
    int32_t offset;
} place;

typedef struct {
    const tk_conv2d_params *p;
    const uint8_t *in;
    uint8_t *columns;
    // Room for one run of each pixel, and its size.
    uint8_t *border;
    uint32_t border_bytes;
    // The last column from which a run lies inside the input; negative where none does.
    int32_t last_x;
    place at[TK_MAX_GROUP];
} gather;

// The run at input row `y` from column `x`, with zero points for what lies outside the input.
static const uint8_t *put_together(const gather *g, int32_t y, int32_t x, uint8_t *run)
{
    const tk_conv2d_params *p = g->p;
    memset(run, p->blank, g->border_bytes);
    if (y >= 0 && y < p->in_height) {
        const int32_t first = x < 0 ? 0 : x;
        const int32_t end = x > g->last_x ? p->in_width : x + p->run_pixels;
        if (first < end) {
            memcpy(run + (uint32_t)(first - x) * p->pixel_bytes,
                   g->in + (uint32_t)(y * p->in_width + first) * p->pixel_bytes,
                   (uint32_t)(end - first) * p->pixel_bytes);
        }
    }
    return run;
}

// Puts the run `down` rows and `across` columns from the kernel's corner into the columns.
static void gather_run(const gather *g, int32_t down, int32_t across, void *columns)
{
    const tk_conv2d_params *p = g->p;
    const int32_t height = p->in_height, last_x = g->last_x;
    const int32_t start = (down * p->in_width + across) * p->pixel_bytes;
    const uint8_t *runs[TK_MAX_GROUP];
    const place *at = g->at;
    const uint8_t **run = runs;
    for (uint32_t left = p->group; left != 0; --left, ++at, ++run) {
        const int32_t y = at->y + down, x = at->x + across;
        if (y >= 0 && y < height && x >= 0 && x <= last_x) {
            *run = g->in + (start + at->offset);
        } else {
            *run = put_together(g, y, x, g->border + (uint32_t)(at - g->at) * g->border_bytes);
        }
    }
    p->expand(runs, p->run_values, p->matmul.length, columns);
}

static void gather_group(const gather *g)
{
    const tk_conv2d_params *p = g->p;
    uint8_t *columns = g->columns;
    int32_t down = 0;
    for (uint32_t row = 0; row < p->kernel_height; ++row, down += p->dilation_height) {
        int32_t across = 0;
        for (uint32_t run = 0; run < p->runs; ++run, across += p->dilation_width) {
            gather_run(g, down, across, columns);
            columns += p->run_step;
        }
    }
}

// Notes what the `pixels` output pixels from number `first` see; a group that is not full repeats
// its last pixel.
static void place_group(gather *g, uint32_t first, uint32_t pixels)
{
    const tk_conv2d_params *p = g->p;
    const uint32_t row = first / p->out_width;
    uint32_t col = first - row * p->out_width;
    int32_t y = (int32_t)(row * p->stride_height) - p->pad_top;
    int32_t x = (int32_t)(col * p->stride_width) - p->pad_left;
    for (uint32_t i = 0; i < p->group; ++i) {
        g->at[i] = (place){y, x, (y * p->in_width + x) * p->pixel_bytes};
        if (i + 1 < pixels) {
            x += p->stride_width;
            if (++col == p->out_width) {
                col = 0;
                x = -p->pad_left;
                y += p->stride_height;
            }
        }
    }
}

// Copies the input with its padding to `padded`; returns what stands behind.
static uint8_t *pad(const tk_conv2d_params *p, const uint8_t *in, uint8_t *padded)
{
    const uint32_t row = (uint32_t)p->in_width * p->pixel_bytes;
    const uint32_t padded_row = (uint32_t)p->padded_width * p->pixel_bytes;
    uint8_t *end = padded + ((p->padded_height * padded_row + 3u) & ~3u);
    memset(padded, p->blank, (size_t)(end - padded));
    uint8_t *to = padded + p->pad_top * padded_row + (uint32_t)p->pad_left * p->pixel_bytes;
    for (uint32_t left = p->in_height; left != 0; --left, in += row, to += padded_row) {
        memcpy(to, in, row);
    }
    return end;
}

void tk_conv2d_pixels(const tk_conv2d_params *p, const void *in, void *out, void *scratch,
                      uint32_t first, uint32_t count)
{
    gather g = {.p = p, .in = in, .columns = scratch};
    const uint32_t groups = (count + p->group - 1u) / p->group;
    const size_t out_bytes = tk_pixel_bytes(p->matmul.channels, p->matmul.output.bits);
    g.border = g.columns + p->column_bytes;
    g.last_x = p->in_width - p->run_pixels;
    g.border_bytes = ((uint32_t)p->run_pixels * p->pixel_bytes + 3u) & ~3u;
    for (uint32_t i = 0; i < groups; ++i) {
        const uint32_t at = (p->backward ? groups - 1u - i : i) * p->group;
        const uint32_t pixels = count - at < p->group ? count - at : p->group;
        place_group(&g, first + at, pixels);
        gather_group(&g);
        p->multiply(&p->matmul, g.columns, pixels, (uint8_t *)out + at * out_bytes);
    }
}

tk_status tk_conv2d(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t total = (uint32_t)p->out_height * p->out_width;
    if (p->padded_height == 0) {
        tk_conv2d_pixels(p, in, out, scratch, 0, total);
        return TK_OK;
    }
    tk_conv2d_params inner = *p;
    inner.in_height = p->padded_height;
    inner.in_width = p->padded_width;
    inner.pad_top = inner.pad_left = 0;
    tk_conv2d_pixels(&inner, scratch, out, pad(p, in, scratch), 0, total);
    return TK_OK;
}

TK_LAYER_RUN(tk_conv2d, layer->in[0], layer->out, layer->scratch)
