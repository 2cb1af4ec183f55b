// SPDX-License-Identifier: Apache-2.0
#include "tinykit/lookup.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

tk_status tk_lookup(const tk_lookup_params *p, const void *in, void *out)
{
    const uint8_t *from = in, *const table = p->table;
    uint8_t *to = out;
    uint32_t left = p->values;
#if defined(__ARM_FEATURE_MVE)
    for (; left >= 16; left -= 16, from += 16, to += 16) {
        vstrbq_u8(to, vldrbq_gather_offset_u8(table, vldrbq_u8(from)));
    }
#endif
    for (uint32_t n = left >> 2; n != 0; --n) {
        to[0] = table[from[0]];
        to[1] = table[from[1]];
        to[2] = table[from[2]];
        to[3] = table[from[3]];
        from += 4, to += 4;
    }
    for (uint32_t n = left & 3u; n != 0; --n) {
        *to++ = table[*from++];
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_lookup, layer->in[0], layer->out)
