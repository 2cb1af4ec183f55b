// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "tinykit/conv2d.h"
#include "tinykit/packing.h"

static tk_status convolve(const tk_conv2d_params *p, const uint8_t *in, uint8_t *out,
                          int16_t *columns, tk_matmul_run *matmul)
{
    const uint32_t channels = p->in_channels;
    const uint32_t length = p->matmul.length;
    const size_t in_bytes = tk_pixel_bytes(channels, p->in_bits);
    const size_t out_bytes = tk_pixel_bytes(p->matmul.channels, p->matmul.requantize.bits);
    uint32_t pixels = (uint32_t)p->in_height * p->in_width;
    // The tails of both columns meet zero weights and stay zero throughout.
    memset(columns, 0, 2 * length * sizeof *columns);
    for (; pixels >= 2; pixels -= 2) {
        tk_unpack16(in, channels, p->in_bits, columns);
        tk_unpack16(in + in_bytes, channels, p->in_bits, columns + length);
        matmul(&p->matmul, columns, 2, out);
        in += 2 * in_bytes;
        out += 2 * out_bytes;
    }
    if (pixels != 0) {
        tk_unpack16(in, channels, p->in_bits, columns);
        matmul(&p->matmul, columns, 1, out);
    }
    return TK_OK;
}

tk_status tk_pointwise_w8(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w8);
}

tk_status tk_pointwise_w4(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w4);
}

tk_status tk_pointwise_w2(const tk_conv2d_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch, tk_matmul_w2);
}
