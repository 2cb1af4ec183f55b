// SPDX-License-Identifier: Apache-2.0
#include "tinykit/binary.h"

#include <string.h>

#include "tinykit/packing.h"
#include "tinykit/simd.h"

// Both put bytes at `to` and give the end of them; `whole` where all are aligned words.
static uint8_t *put_copy(uint8_t *to, const uint8_t *from, uint32_t bytes, int whole)
{
    uint8_t *const end = to + bytes;
    if (!whole) {
        memcpy(to, from, bytes);
        return end;
    }
    for (; to != end; to += 4, from += 4) {
        tk_store32_aligned(to, tk_load32_aligned(from));
    }
    return end;
}

static uint8_t *put_zeros(uint8_t *to, uint32_t bytes, int whole)
{
    uint8_t *const end = to + bytes;
    if (!whole) {
        memset(to, 0, bytes);
        return end;
    }
    for (; to != end; to += 4) {
        tk_store32_aligned(to, 0);
    }
    return end;
}

// Puts the run of input row `line` from column `x` into the window; gives its end.
static uint8_t *put_run(const tk_binary_params *p, const uint8_t *line, int32_t x, uint8_t *to)
{
    const int whole = p->pixel_bytes % 4u == 0;
    const int32_t end = x + p->run_pixels;
    if (x >= 0 && end <= p->in_width) {
        return put_copy(to, line + (uint32_t)x * p->pixel_bytes,
                        (uint32_t)p->run_pixels * p->pixel_bytes, whole);
    }
    const int32_t first = x < 0 ? 0 : x;
    const int32_t last = end > p->in_width ? p->in_width : end;
    if (first >= last) {
        return put_zeros(to, (uint32_t)p->run_pixels * p->pixel_bytes, whole);
    }
    to = put_zeros(to, (uint32_t)(first - x) * p->pixel_bytes, whole);
    to = put_copy(to, line + (uint32_t)first * p->pixel_bytes,
                  (uint32_t)(last - first) * p->pixel_bytes, whole);
    return put_zeros(to, (uint32_t)(end - last) * p->pixel_bytes, whole);
}

// Lays side by side what the output pixel sees whose window starts at (y, x).
static void gather(const tk_binary_params *p, const uint8_t *in, int32_t y, int32_t x,
                   uint32_t *window)
{
    const uint32_t row_bytes = (uint32_t)p->in_width * p->pixel_bytes;
    uint8_t *to = (uint8_t *)window;
    uint8_t *const end = to + 4u * p->words;
    for (uint32_t row = p->kernel_height; row != 0; --row, y += p->dilation_height) {
        if (y < 0 || y >= p->in_height) {
            const uint32_t pixels = (uint32_t)p->runs * p->run_pixels;
            to = put_zeros(to, pixels * p->pixel_bytes, p->pixel_bytes % 4u == 0);
            continue;
        }
        const uint8_t *line = in + (uint32_t)y * row_bytes;
        int32_t at = x;
        for (uint32_t run = p->runs; run != 0; --run, at += p->dilation_width) {
            to = put_run(p, line, at, to);
        }
    }
    if (to != end) {
        memset(to, 0, (size_t)(end - to));
    }
}

tk_status tk_binary(const tk_binary_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t out_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    uint8_t *pixel = out;
    for (uint32_t row = 0; row < p->out_height; ++row) {
        const int32_t y = (int32_t)(row * p->stride_height) - p->pad_top;
        for (uint32_t col = 0; col < p->out_width; ++col) {
            gather(p, in, y, (int32_t)(col * p->stride_width) - p->pad_left, scratch);
            p->count(p, scratch, pixel);
            pixel += out_bytes;
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_binary, layer->in[0], layer->out, layer->scratch)
