// SPDX-License-Identifier: Apache-2.0
#include "tinykit/add.h"

tk_status tk_add_table(const tk_add_table_params *p, const void *a, const void *b, void *out)
{
    const uint8_t *left = a, *right = b, *const table = p->table;
    uint8_t *to = out;
    for (uint32_t pixel = p->pixels; pixel != 0; --pixel) {
        for (uint32_t n = p->pixel_bytes; n != 0; --n) {
            const uint32_t x = *left++, y = *right++;
            const uint32_t low = table[(x & 15u) | (y & 15u) << 4];
            const uint32_t high = table[x >> 4 | (y & 0xF0u)];
            *to++ = (uint8_t)(low | high << 4);
        }
        // The bits behind the last value stay 0.
        to[-1] &= p->mask;
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_add_table, layer->in[0], layer->in[1], layer->out)
