// SPDX-License-Identifier: Apache-2.0
// The frame of the depthwise convolutions for cores with DSP instructions: one channel at a time.
//
// A channel's pixels lie far apart in memory. Copied to a plane of halves, two neighbours make one
// operand of SMLAD, and borders need no care, for the padding is there too. Two channels are copied
// at once, where bytes allow.
#ifndef TINYKIT_DSP_DEPTHWISE_FRAME_H
#define TINYKIT_DSP_DEPTHWISE_FRAME_H

#include "finish.h"
#include "tinykit/depthwise.h"

typedef struct {
    const tk_depthwise_params *p;
    // Planes of one channel or of two, their rows on word boundaries.
    int16_t *plane;
    // Halves in a plane.
    uint32_t plane_size;
    // Scratch behind the planes.
    int16_t *spare;
    // Whether there are planes of two channels.
    int together;
} frame;

// Fills the planes with zero points; copying then leaves the padding alone.
static void blank_planes(const frame *f)
{
    const tk_depthwise_params *p = f->p;
    const int32_t blank = p->in_zero_point + tk_unpack_offset(p->in_bits);
    const uint32_t pair = (uint32_t)(blank & 0xFFFF) | (uint32_t)blank << 16;
    int16_t *at = f->plane;
    for (uint32_t i = (f->together ? 2 : 1) * f->plane_size / 2u; i != 0; --i, at += 2) {
        tk_store32_aligned(at, pair);
    }
}

// Where the first pixel goes.
static int16_t *plane_start(const frame *f)
{
    return f->plane + (uint32_t)f->p->pad_top * f->p->plane_width + f->p->pad_left;
}

// Copies input channels `c` and `c` + 1, of 8 bits, to both planes; `c` is even. Not inlined, for
// its loops need the registers.
static __attribute__((noinline)) void copy_two(const frame *f, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = f->p;
    const uint32_t step = p->in_channels, pairs = p->in_width / 2u, odd = p->in_width & 1u;
    const uint32_t gap = (uint32_t)p->plane_width - p->in_width;
    int16_t *first = plane_start(f), *second = first + f->plane_size;
    in += c;
    for (uint32_t row = p->in_height; row != 0; --row) {
        for (uint32_t left = pairs; left != 0; --left) {
            const uint32_t both = tk_pack_low(tk_load16(in), tk_load16(in + step));
            tk_store32(first, tk_sxtb16(both));
            tk_store32(second, tk_sxtb16_ror8(both));
            in += 2 * step;
            first += 2;
            second += 2;
        }
        if (odd != 0) {
            *first++ = (int8_t)in[0];
            *second++ = (int8_t)in[1];
            in += step;
        }
        first += gap;
        second += gap;
    }
}

// The same for 4 and 2 bits, where both channels lie in one byte.
static void copy_two_narrow(const frame *f, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = f->p;
    const uint32_t bits = p->in_bits, shift = c * bits & 7u, mask = (1u << bits) - 1u;
    const uint32_t flip = (uint32_t)tk_unpack_offset(bits) * ((1u << bits) + 1u);
    const size_t step = tk_pixel_bytes(p->in_channels, bits);
    int16_t *first = plane_start(f), *second = first + f->plane_size;
    in += c * bits >> 3;
    for (uint32_t row = p->in_height; row != 0; --row) {
        for (uint32_t x = 0; x < p->in_width; ++x, in += step) {
            const uint32_t both = (uint32_t)*in >> shift ^ flip;
            first[x] = (int16_t)(both & mask);
            second[x] = (int16_t)(both >> bits & mask);
        }
        first += p->plane_width;
        second += p->plane_width;
    }
}

// Copies input channel `c` of any width.
static void copy_one(const frame *f, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = f->p;
    const size_t bytes = tk_pixel_bytes(p->in_channels, p->in_bits);
    const int32_t offset = tk_unpack_offset(p->in_bits);
    int16_t *to = plane_start(f);
    for (uint32_t row = p->in_height; row != 0; --row, to += p->plane_width) {
        for (uint32_t x = 0; x < p->in_width; ++x, in += bytes) {
            to[x] = (int16_t)(tk_get(in, c, p->in_bits) + offset);
        }
    }
}

// Copies what output channel `c` reads, or it and the next. `bytes`, a constant, says that there
// are planes of two channels of 8 bits.
TK_INLINE void copy(const frame *f, const uint8_t *in, uint32_t c, int bytes)
{
    if (bytes) {
        copy_two(f, in, c);
    } else if (!f->together) {
        copy_one(f, in, c / (f->p->channels / f->p->in_channels));
    } else if (f->p->in_bits == 8) {
        copy_two(f, in, c);
    } else {
        copy_two_narrow(f, in, c);
    }
}

// Convolves a plane to one channel: `scale` is its bias, multiplier and power, `taps` its packed
// taps.
typedef void convolve_plane(const frame *f, const int16_t *plane, const uint32_t *scale,
                            const uint8_t *taps, const tk_target *target);

TK_INLINE tk_status run_channels(const tk_depthwise_params *p, const void *in, void *out,
                                 void *scratch, int bytes, convolve_plane *convolve)
{
    const uint32_t repeat = p->channels / p->in_channels;
    const uint32_t stride = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width;
    const uint32_t *scale = p->stream;
    const uint8_t *packed = (const uint8_t *)(scale + 3u * p->channels);
    frame f = {.p = p, .plane = scratch};
    f.together = bytes || (repeat == 1 && (p->channels & 1u) == 0);
    f.plane_size = (uint32_t)p->plane_height * p->plane_width + 2;
    f.spare = f.plane + (f.together ? 2 : 1) * f.plane_size;
    blank_planes(&f);
    for (uint32_t c = 0; c < p->channels;) {
        const int16_t *plane = f.plane;
        copy(&f, in, c, bytes);
        for (const uint32_t end = c + (f.together ? 2 : repeat); c < end; ++c) {
            const tk_target target = tk_aim(&p->output, out, stride, c, in == out);
            convolve(&f, plane, scale, packed, &target);
            scale += 3;
            packed += tk_pixel_bytes(taps, p->weight_bits);
            plane += f.together ? f.plane_size : 0;
        }
    }
    return TK_OK;
}

#endif
