// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution for cores without SIMD, one channel at a time.
//
// A channel's pixels lie far apart in memory. Copied to a plane of bytes, they are neighbours, and
// borders need no care, for the padding is copied too.
#include "tinykit/depthwise.h"

#include <string.h>

#include "scale.h"
#include "tinykit/packing.h"

typedef struct {
    const tk_depthwise_params *p;
    // Bytes: 8-bit values signed, others with their offset, so that both are signed bytes.
    int8_t *plane;
    int8_t *taps;
    // Of the channel at hand.
    int32_t bias;
    tk_plain_scale scale;
    // Bytes from one output pixel to the next.
    uint32_t out_bytes;
} channel;

// Copies input channel `c`, of 8 bits.
static void copy_channel8(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t step = p->in_channels, width = p->in_width;
    const int8_t *from = (const int8_t *)in + c;
    int8_t *line = k->plane + (uint32_t)p->pad_top * p->plane_width + p->pad_left;
    for (uint32_t row = p->in_height; row != 0; --row, line += p->plane_width) {
        int8_t *to = line;
        uint32_t left = width;
        for (; left >= 4; left -= 4, to += 4) {
            to[0] = *from;
            from += step;
            to[1] = *from;
            from += step;
            to[2] = *from;
            from += step;
            to[3] = *from;
            from += step;
        }
        for (; left != 0; --left, from += step) {
            *to++ = *from;
        }
    }
}

// Copies input channel `c`, of 4 or 2 bits.
static void copy_channel(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t bits = p->in_bits, shift = c * bits & 7u;
    const uint32_t mask = bits == 4 ? 15u : 3u, flip = bits == 4 ? 8u : 2u;
    const uint32_t step = (uint32_t)tk_pixel_bytes(p->in_channels, bits);
    const uint8_t *from = in + c * bits / 8u;
    int8_t *line = k->plane + (uint32_t)p->pad_top * p->plane_width + p->pad_left;
    for (uint32_t row = p->in_height; row != 0; --row, line += p->plane_width) {
        int8_t *to = line, *end = to + p->in_width;
        for (; to != end; ++to, from += step) {
            *to = (int8_t)((((uint32_t)*from >> shift) & mask) ^ flip);
        }
    }
}

// Reads what the stream says of one channel; returns what follows.
static const uint32_t *read_channel(channel *k, const uint32_t *stream)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width;
    const uint8_t *packed = (const uint8_t *)(stream + 3);
    k->bias = (int32_t)stream[0];
    k->scale = tk_plain_scale_of(&p->output, (int32_t)stream[1], (int32_t)stream[2]);
    for (uint32_t i = 0; i < taps; ++i) {
        k->taps[i] = (int8_t)tk_get(packed, i, p->weight_bits);
    }
    return stream + 3 + (taps * p->weight_bits + 31u) / 32u;
}

// Any kernel.
static void convolve_any(const channel *k, uint32_t c, uint8_t *out)
{
    const tk_depthwise_params *p = k->p;
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col, out += k->out_bytes) {
            const int8_t *x =
                k->plane + row * p->stride_height * p->plane_width + col * p->stride_width;
            const int8_t *tap = k->taps;
            int32_t sum = k->bias;
            for (uint32_t down = p->kernel_height; down != 0; --down) {
                for (uint32_t i = 0; i < p->kernel_width; ++i) {
                    sum += x[i * p->dilation_width] * *tap++;
                }
                x += (uint32_t)p->dilation_height * p->plane_width;
            }
            tk_put(out, c, p->output.bits, tk_plain_scale_one(&p->output, &k->scale, sum));
        }
    }
}

tk_status tk_plain_depthwise(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t multiplier = p->channels / p->in_channels;
    const uint32_t plane = (uint32_t)p->plane_height * p->plane_width;
    const uint32_t *stream = p->stream;
    channel k = {.p = p, .plane = scratch};
    k.taps = k.plane + ((plane + 3u) & ~3u);
    k.out_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    memset(k.plane, p->in_zero_point + tk_unpack_offset(p->in_bits), plane);
    for (uint32_t c = 0, repeat = 0; c < p->channels; ++c) {
        if (repeat == 0) {
            repeat = multiplier;
            if (p->in_bits == 8) {
                copy_channel8(&k, in, c / multiplier);
            } else {
                copy_channel(&k, in, c / multiplier);
            }
        }
        --repeat;
        stream = read_channel(&k, stream);
        convolve_any(&k, c, out);
    }
    return TK_OK;
}
