// SPDX-License-Identifier: Apache-2.0
// The frame around the three inner loops of matmul_w8.c, matmul_w4.c and matmul_w2.c: blocks of two
// channels by two pixels, then requantisation and store. Included once by each, after it has
// defined dot(); everything is inlined, with `pixels` and `channels` known.
#ifndef TINYKIT_MATMUL_BODY_H
#define TINYKIT_MATMUL_BODY_H

#include "tinykit/matmul.h"
#include "tinykit/packing.h"

#define TK_INLINE static inline __attribute__((always_inline))

// Inner products of `channels` rows from `weight` with `pixels` columns of `length` halves;
// acc[2 * channel + pixel].
TK_INLINE void dot(const uint32_t *weight, const int16_t *columns, unsigned length, unsigned pixels,
                   unsigned channels, int32_t acc[4]);

// Requantises the accumulators of channel `c` for both pixels.
TK_INLINE void finish(const tk_requantize *q, unsigned c, unsigned pixels, int32_t acc[2])
{
    const int32_t bias = q->bias[c];
    const int32_t multiplier = q->multiplier[c];
    const int32_t shift = q->shift[c];
#pragma GCC unroll 2
    for (unsigned pixel = 0; pixel < pixels; ++pixel) {
        acc[pixel] = tk_requantize_one(q, acc[pixel] + bias, multiplier, shift);
    }
}

// Stores channels c and c + 1, c even, of one pixel.
TK_INLINE void store_pair(uint8_t *out, unsigned c, unsigned bits, int32_t first, int32_t second)
{
    if (bits == 8u) {
        out[c] = (uint8_t)first;
        out[c + 1] = (uint8_t)second;
    } else if (bits == 4u) {
        out[c >> 1] = (uint8_t)(((uint32_t)first & 15u) | (uint32_t)second << 4);
    } else {
        const uint32_t both = ((uint32_t)first & 3u) | ((uint32_t)second & 3u) << 2;
        uint8_t *byte = &out[c >> 2];
        *byte = (uint8_t)((c & 2u) ? (*byte | both << 4) : both);
    }
}

TK_INLINE void run(const tk_matmul *m, const int16_t *columns, unsigned pixels, uint8_t *out)
{
    // A copy, which stores to `out` cannot change, stays in registers.
    const tk_requantize q = m->requantize;
    const unsigned length = m->length;
    const unsigned bits = q.bits;
    const unsigned channels = m->channels;
    const uint32_t *weight = m->weight;
    uint8_t *next = out + tk_pixel_bytes(channels, bits);
    unsigned c = 0;
    for (; c + 2 <= channels; c += 2) {
        int32_t acc[4];
        dot(weight, columns, length, pixels, 2, acc);
        weight += 2 * (length / WEIGHTS_PER_WORD);
        finish(&q, c, pixels, &acc[0]);
        finish(&q, c + 1, pixels, &acc[2]);
        store_pair(out, c, bits, acc[0], acc[2]);
        if (pixels == 2) {
            store_pair(next, c, bits, acc[1], acc[3]);
        }
    }
    if (c < channels) {
        int32_t acc[4];
        dot(weight, columns, length, pixels, 1, acc);
        finish(&q, c, pixels, &acc[0]);
        tk_put(out, c, bits, acc[0]);
        if (pixels == 2) {
            tk_put(next, c, bits, acc[1]);
        }
    }
}

// The public function of one weight width.
#define TK_MATMUL_DEFINE(name)                                                                     \
    void name(const tk_matmul *m, const int16_t *columns, unsigned pixels, uint8_t *out)           \
    {                                                                                              \
        if (pixels == 2) {                                                                         \
            run(m, columns, 2, out);                                                               \
        } else {                                                                                   \
            run(m, columns, 1, out);                                                               \
        }                                                                                          \
    }

#endif
