// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>

#define TK_POOL_START INT8_MIN

static inline int32_t fold(int32_t most, int32_t value)
{
    return value > most ? value : most;
}

static inline int32_t finish(int32_t most, int32_t count)
{
    (void)count;
    return most;
}

#include "pool_body.h"

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

tk_status tk_maxpool2d(const tk_pool_params *p, const void *in, void *out)
{
    return pool(p, in, out);
}
