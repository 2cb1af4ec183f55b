// SPDX-License-Identifier: Apache-2.0
// Of 8 bits, pixels are taken in one after another, with all their channels; of fewer, channels.
#include <stdint.h>
#include <string.h>

#include "pool_body.h"

// Takes in one more pixel.
static void fold_pixel(const uint8_t *pixel, uint32_t channels, uint8_t *out)
{
    const int8_t *value = (const int8_t *)pixel, *end = value + channels;
    int8_t *most = (int8_t *)out;
#pragma GCC unroll 4
    for (; value != end; ++value, ++most) {
        if (*value > *most) {
            *most = *value;
        }
    }
}

static void pool_bytes(const area *a, uint32_t channels, uint8_t *out)
{
    const uint8_t *line = a->first;
    memcpy(out, line, channels);
    for (uint32_t row = 0; row < a->rows; ++row, line += a->row_bytes) {
        const uint8_t *pixel = line;
        for (uint32_t col = 0; col < a->cols; ++col, pixel += a->pixel_bytes) {
            if (pixel != a->first) {
                fold_pixel(pixel, channels, out);
            }
        }
    }
}

static void pool_channels(const area *a, uint32_t channels, unsigned bits, uint8_t *out)
{
    for (uint32_t c = 0; c < channels; ++c) {
        int32_t most = INT8_MIN;
        const uint8_t *line = a->first;
        for (uint32_t row = a->rows; row != 0; --row, line += a->row_bytes) {
            const uint8_t *pixel = line;
            for (uint32_t col = a->cols; col != 0; --col, pixel += a->pixel_bytes) {
                const int32_t value = tk_get(pixel, c, bits);
                most = value > most ? value : most;
            }
        }
        tk_put(out, c, bits, most);
    }
}

tk_status tk_maxpool2d(const tk_pool_params *p, const void *in, void *out)
{
    uint8_t *to = out;
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col) {
            const area a = area_at(p, in, row, col);
            if (p->bits == 8) {
                pool_bytes(&a, p->channels, to);
            } else {
                pool_channels(&a, p->channels, p->bits, to);
            }
            to += a.pixel_bytes;
        }
    }
    return TK_OK;
}

// The same for bits, eight channels at a time.
static uint8_t any_of(const area *a, uint32_t byte)
{
    uint32_t bits = 0;
    const uint8_t *line = a->first + byte;
    for (uint32_t row = a->rows; row != 0; --row, line += a->row_bytes) {
        const uint8_t *pixel = line;
        for (uint32_t col = a->cols; col != 0; --col, pixel += a->pixel_bytes) {
            bits |= *pixel;
        }
    }
    return (uint8_t)bits;
}

tk_status tk_maxpool2d_bits(const tk_pool_params *p, const void *in, void *out)
{
    uint8_t *next = out;
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col) {
            const area a = area_at(p, in, row, col);
            for (uint32_t byte = 0; byte < a.pixel_bytes; ++byte) {
                *next++ = any_of(&a, byte);
            }
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_maxpool2d, layer->in[0], layer->out)

TK_LAYER_RUN(tk_maxpool2d_bits, layer->in[0], layer->out)
