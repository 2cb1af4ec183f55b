// SPDX-License-Identifier: Apache-2.0
// The frame around the three tap loops of depthwise_w8.c, depthwise_w4.c and depthwise_w2.c.
// Included once by each, after WEIGHT_BITS.
//
// Every output pixel first notes where the pixel under each tap stands, as an offset from one base;
// a tap outside the input gets a pixel of zero points. The loops over channels and taps then know
// no borders. Where the input is not plain bytes in groups of four (4 and 2 bits, odd channels, a
// depth multiplier), the taps' pixels are unpacked to a buffer and the offsets lead there.
#ifndef TINYKIT_DEPTHWISE_BODY_H
#define TINYKIT_DEPTHWISE_BODY_H

#include <string.h>

#include "tinykit/depthwise.h"
#include "tinykit/packing.h"

#define TK_INLINE static inline __attribute__((always_inline))

typedef struct {
    const tk_depthwise_params *p;
    const uint8_t *in;
    // One offset from `base` a tap; the last may be there to make their number even.
    int32_t *offset;
    const int8_t *base;
    // A pixel of zero points, or the buffer of unpacked pixels.
    int8_t *pixels;
    uint32_t taps;
    // Output channels rounded up to a multiple of four.
    uint32_t padded;
    // Which column of the buffer lies under the leftmost taps: its columns rotate.
    uint32_t slot;
} window;

static int is_direct(const tk_depthwise_params *p)
{
    return p->in_bits == 8 && p->channels == p->in_channels && (p->channels & 3u) == 0;
}

static window window_start(const tk_depthwise_params *p, const uint8_t *in, void *scratch)
{
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width;
    const uint32_t even = (taps + 1u) & ~1u;
    const uint32_t padded = (p->channels + 3u) & ~3u;
    int32_t *offset = scratch;
    int8_t *pixels = (int8_t *)(offset + even);
    window w = {p, in, offset, pixels, pixels, taps, padded, 0};
    if (is_direct(p)) {
        w.base = (const int8_t *)in;
        memset(pixels, p->in_zero_point, padded);
        offset[even - 1] = 0;
        return w;
    }
    memset(pixels, 0, even * padded);
    for (uint32_t tap = 0; tap < even; ++tap) {
        offset[tap] = (int32_t)(tap * padded);
    }
    return w;
}

// The pixel under one tap, unpacked and each channel repeated as often as outputs read it.
static void unpack_tap(const window *w, const uint8_t *pixel, int8_t *out)
{
    const tk_depthwise_params *p = w->p;
    if (p->channels == p->in_channels) {
        tk_unpack8(pixel, p->channels, p->in_bits, out);
        return;
    }
    const uint32_t repeat = p->channels / p->in_channels;
    const int32_t offset = tk_unpack_offset(p->in_bits);
    for (uint32_t c = 0; c < p->in_channels; ++c, out += repeat) {
        memset(out, (int)(tk_get(pixel, c, p->in_bits) + offset), repeat);
    }
}

// Brings the pixel at offset `from` into the buffer at `place`.
static void fill_pixel(const window *w, int inside, int32_t from, int8_t *place)
{
    const tk_depthwise_params *p = w->p;
    if (inside) {
        unpack_tap(w, w->in + from, place);
    } else {
        memset(place, p->in_zero_point + tk_unpack_offset(p->in_bits), p->channels);
    }
}

// Points the taps at the pixels around input position (y, x). The `fresh` rightmost columns of taps
// are new; the others were under the window before, and what was unpacked for them is used again.
static void window_move(const window *w, int32_t y, int32_t x, uint32_t fresh)
{
    const tk_depthwise_params *p = w->p;
    const int direct = is_direct(p);
    const uint32_t width = p->kernel_width;
    const int32_t blank = (int32_t)(w->pixels - (const int8_t *)w->in);
    const int32_t bytes = (int32_t)tk_pixel_bytes(p->in_channels, p->in_bits);
    int32_t *offset = w->offset;
    for (uint32_t row = 0; row < p->kernel_height; ++row, y += p->dilation_height) {
        int32_t at = x;
        uint32_t slot = w->slot;
        for (uint32_t col = 0; col < width; ++col, at += p->dilation_width) {
            const int inside = y >= 0 && y < p->in_height && at >= 0 && at < p->in_width;
            const int32_t from = (y * p->in_width + at) * bytes;
            if (direct) {
                *offset++ = inside ? from : blank;
                continue;
            }
            const uint32_t place = (row * width + slot) * w->padded;
            *offset++ = (int32_t)place;
            slot = slot + 1 == width ? 0 : slot + 1;
            if (col + fresh >= width) {
                fill_pixel(w, inside, from, w->pixels + place);
            }
        }
    }
}

#if TK_DSP

// Weights of two taps and four channels as two words, whose bytes are tap 0 channel 0, tap 0
// channel 1, tap 1 channel 0, tap 1 channel 1, then channels 2 and 3; a weight of less than 8 bits
// stands at the top of its byte.
TK_INLINE void weights_of_pair(const uint32_t *weight, uint32_t pair, uint32_t *w01, uint32_t *w23)
{
#if WEIGHT_BITS == 8
    (void)pair;
    *w01 = weight[0];
    *w23 = weight[1];
#elif WEIGHT_BITS == 4
    (void)pair;
    *w01 = weight[0] << 4 & 0xF0F0F0F0u;
    *w23 = weight[0] & 0xF0F0F0F0u;
#else
    const uint32_t word = weight[0] >> (4u * (pair & 1u));
    *w01 = word << 6 & 0xC0C0C0C0u;
    *w23 = word << 4 & 0xC0C0C0C0u;
#endif
}

// Words from one pair of taps to the next; with 2 bits, two pairs share a word.
TK_INLINE uint32_t words_of_pair(uint32_t pair)
{
    return WEIGHT_BITS == 2 ? pair & 1u : WEIGHT_BITS / 4u;
}

#define GROUP_WORDS(taps) ((((taps) + 1u) / 2u * 8u * WEIGHT_BITS + 31u) / 32u)

// Sums of four neighbouring channels over all taps, two taps in each multiply.
TK_INLINE void sum_taps(const window *w, const uint32_t *weight, uint32_t c, int32_t acc[4])
{
    const int8_t *base = w->base + c;
    const int32_t *offset = w->offset;
    const int32_t *end = offset + ((w->taps + 1u) & ~1u);
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    uint32_t pair = 0;
    do {
        const uint32_t a = tk_load32_aligned(base + offset[0]);
        const uint32_t b = tk_load32_aligned(base + offset[1]);
        const uint32_t x01 = tk_pack_low(a, b), x23 = tk_pack_high(a, b);
        uint32_t w01, w23;
        weights_of_pair(weight, pair, &w01, &w23);
        weight += words_of_pair(pair);
        sum0 = tk_smlad(tk_sxtb16(x01), tk_sxtb16(w01), sum0);
        sum1 = tk_smlad(tk_sxtb16_ror8(x01), tk_sxtb16_ror8(w01), sum1);
        sum2 = tk_smlad(tk_sxtb16(x23), tk_sxtb16(w23), sum2);
        sum3 = tk_smlad(tk_sxtb16_ror8(x23), tk_sxtb16_ror8(w23), sum3);
        offset += 2;
        ++pair;
    } while (offset != end);
    acc[0] = sum0 >> (8 - WEIGHT_BITS);
    acc[1] = sum1 >> (8 - WEIGHT_BITS);
    acc[2] = sum2 >> (8 - WEIGHT_BITS);
    acc[3] = sum3 >> (8 - WEIGHT_BITS);
}

#else

#define GROUP_WORDS(taps) (((taps) * 4u * WEIGHT_BITS + 31u) / 32u)

// The four weights of one tap.
TK_INLINE void weights_of_tap(const uint8_t *weight, uint32_t tap, int32_t w[4])
{
#if WEIGHT_BITS == 8
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
        w[i] = (int8_t)weight[4 * tap + i];
    }
#else
#if WEIGHT_BITS == 4
    const uint32_t word = weight[2 * tap] | (uint32_t)weight[2 * tap + 1] << 8;
#else
    const uint32_t word = weight[tap];
#endif
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
        w[i] = (int32_t)(word << (32u - WEIGHT_BITS * (i + 1u))) >> (32u - WEIGHT_BITS);
    }
#endif
}

// Sums of four neighbouring channels over all taps.
TK_INLINE void sum_taps(const window *w, const uint32_t *weight, uint32_t c, int32_t acc[4])
{
    const int8_t *base = w->base + c;
    const uint8_t *bytes = (const uint8_t *)weight;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    for (uint32_t tap = 0; tap < w->taps; ++tap) {
        const int8_t *x = base + w->offset[tap];
        int32_t weights[4];
        weights_of_tap(bytes, tap, weights);
        sum0 += weights[0] * x[0];
        sum1 += weights[1] * x[1];
        sum2 += weights[2] * x[2];
        sum3 += weights[3] * x[3];
    }
    acc[0] = sum0;
    acc[1] = sum1;
    acc[2] = sum2;
    acc[3] = sum3;
}

#endif

TK_INLINE int32_t finish(const tk_requantize *q, uint32_t c, int32_t acc)
{
    return tk_requantize_one(q, acc + q->bias[c], q->multiplier[c], q->shift[c]);
}

// Stores channels c to c + 3, c a multiple of four.
TK_INLINE void store_four(uint8_t *out, uint32_t c, unsigned bits, const int32_t v[4])
{
    const uint32_t v0 = (uint32_t)v[0], v1 = (uint32_t)v[1];
    const uint32_t v2 = (uint32_t)v[2], v3 = (uint32_t)v[3];
    if (bits == 8) {
        out[c] = (uint8_t)v0;
        out[c + 1] = (uint8_t)v1;
        out[c + 2] = (uint8_t)v2;
        out[c + 3] = (uint8_t)v3;
    } else if (bits == 4) {
        out[c >> 1] = (uint8_t)((v0 & 15u) | v1 << 4);
        out[(c >> 1) + 1] = (uint8_t)((v2 & 15u) | v3 << 4);
    } else {
        out[c >> 2] = (uint8_t)((v0 & 3u) | (v1 & 3u) << 2 | (v2 & 3u) << 4 | v3 << 6);
    }
}

// One output pixel from a window that has been moved to it.
TK_INLINE void convolve_pixel(const window *w, uint8_t *out)
{
    // A copy, which stores to `out` cannot change, stays in registers.
    const tk_requantize q = w->p->requantize;
    const uint32_t channels = w->p->channels;
    const uint32_t *weight = w->p->weight;
    for (uint32_t c = 0; c < channels; c += 4, weight += GROUP_WORDS(w->taps)) {
        int32_t acc[4];
        sum_taps(w, weight, c, acc);
        if (c + 4 <= channels) {
#pragma GCC unroll 4
            for (uint32_t i = 0; i < 4; ++i) {
                acc[i] = finish(&q, c + i, acc[i]);
            }
            store_four(out, c, q.bits, acc);
        } else {
            for (uint32_t i = 0; c + i < channels; ++i) {
                tk_put(out, c + i, q.bits, finish(&q, c + i, acc[i]));
            }
        }
    }
}

// Moves one stride to the right; returns how many columns of taps are new there.
static uint32_t window_advance(window *w)
{
    const uint32_t width = w->p->kernel_width;
    const uint32_t stride = w->p->stride_width;
    if (stride >= width || w->p->dilation_width != 1) {
        return width;
    }
    w->slot += stride;
    w->slot = w->slot >= width ? w->slot - width : w->slot;
    return stride;
}

TK_INLINE tk_status convolve(const tk_depthwise_params *p, const void *in, uint8_t *out,
                             void *scratch)
{
    window w = window_start(p, in, scratch);
    const size_t out_bytes = tk_pixel_bytes(p->channels, p->requantize.bits);
    int32_t y = -p->pad_top;
    for (uint32_t row = 0; row < p->out_height; ++row, y += p->stride_height) {
        int32_t x = -p->pad_left;
        uint32_t fresh = p->kernel_width;
        w.slot = 0;
        for (uint32_t col = 0; col < p->out_width; ++col, x += p->stride_width) {
            window_move(&w, y, x, fresh);
            convolve_pixel(&w, out);
            fresh = window_advance(&w);
            out += out_bytes;
        }
    }
    return TK_OK;
}

#endif
