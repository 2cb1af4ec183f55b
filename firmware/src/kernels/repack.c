// SPDX-License-Identifier: Apache-2.0
#include "tinykit/repack.h"

#include "tinykit/packing.h"

tk_status tk_repack(const tk_repack_params *p, const void *in, void *out)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint32_t in_channel = 0, out_channel = 0;
    for (uint32_t i = 0; i < p->values; ++i) {
        tk_put(to, out_channel, p->bits, tk_get(from, in_channel, p->bits));
        if (++in_channel == p->in_channels) {
            in_channel = 0;
            from += tk_pixel_bytes(p->in_channels, p->bits);
        }
        if (++out_channel == p->out_channels) {
            out_channel = 0;
            to += tk_pixel_bytes(p->out_channels, p->bits);
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_repack, layer->in[0], layer->out)
