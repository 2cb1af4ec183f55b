// SPDX-License-Identifier: Apache-2.0
#include "tinykit/move.h"
#include "tinykit/simd.h"

tk_status tk_pad(const tk_pad_params *p, const void *in, void *out)
{
    uint8_t *to = out;
    const uint32_t word = (uint8_t)p->value * 0x01010101u;
    // Tensors start at a multiple of four.
#pragma GCC unroll 4
    for (uint32_t n = p->bytes >> 2; n != 0; --n, to += 4) {
        tk_store32_aligned(to, word);
    }
    for (uint32_t n = p->bytes & 3u; n != 0; --n) {
        *to++ = (uint8_t)word;
    }
    return tk_move(&p->move, in, out);
}

TK_LAYER_RUN(tk_pad, layer->in[0], layer->out)
