// SPDX-License-Identifier: Apache-2.0
#include "tinykit/conv2d_pool.h"

tk_status tk_conv2d_pool(const tk_conv2d_pool_params *p, const void *in, void *out, void *scratch)
{
    uint8_t *strip = scratch;
    const uint32_t bytes = (uint32_t)p->pooled_pixels * p->pooled_bytes;
    tk_status status = TK_OK;
    for (uint32_t i = 0; i < p->strips && status == TK_OK; ++i) {
        const uint32_t at = p->backward ? p->strips - 1u - i : i;
        tk_conv2d_pixels(p->conv, in, strip, strip + p->strip_bytes, at * p->strip_pixels,
                         p->strip_pixels);
        status = p->run_pool(p->pool, strip, (uint8_t *)out + at * bytes);
    }
    return status;
}

TK_LAYER_RUN(tk_conv2d_pool, layer->in[0], layer->out, layer->scratch)
