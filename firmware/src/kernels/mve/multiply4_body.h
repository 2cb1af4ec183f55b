// SPDX-License-Identifier: Apache-2.0
// The frame of the multipliers for groups of four pixels. Included once by each after WEIGHT_BITS.
//
// After its first word (finish.h) the stream holds for each four channels two pairs: the rows of
// both channels, block by block in turn, then two biases, two multipliers and two shifts. Channels
// left over follow one by one: row, bias, multiplier, shift.
#ifndef TINYKIT_MVE_MULTIPLY4_BODY_H
#define TINYKIT_MVE_MULTIPLY4_BODY_H

#include "dot4.h"
#include "tinykit/matmul.h"

// The outputs of a group.
typedef struct {
    const tk_matmul *m;
    const int8_t *columns;
    uint32_t pixels;
    // Bytes from one pixel to the next.
    uint32_t stride;
    uint8_t *out;
} target;

#if defined(__ARM_FEATURE_MVE)

// Stores four channels of `bits` bits byte by byte, whatever the addresses.
static __attribute__((noinline)) void store_bytes(uint32_t bits, int8x16_t bytes, uint32_t pixels,
                                                  uint32_t stride, uint8_t *out)
{
    uint8_t packed[16];
    tk_store_lanes(bits, bytes, vidupq_n_u32(0, 4), packed);
    for (uint32_t i = 0; i < pixels; ++i, out += stride) {
        for (uint32_t byte = 0; byte < bits / 2u; ++byte) {
            out[byte] = packed[4 * i + byte];
        }
    }
}

// Stores four channels where addresses are multiples of what a pixel gets.
static __attribute__((noinline)) void store_narrow(uint32_t bits, int8x16_t bytes, uint32x4_t at,
                                                   uint8_t *out)
{
    if (bits == 4) {
        tk_store_lanes(4, bytes, at, out);
    } else {
        tk_store_lanes(2, bytes, at, out);
    }
}

// The channels that come in fours; returns what follows in the stream.
TK_INLINE const uint32_t *multiply_fours(const target *t, uint32_t fours, const uint32_t *stream)
{
    const tk_matmul *m = t->m;
    const uint32_t bits = m->output.bits, step = bits / 2u;
    const uint32_t rounding = tk_rounding_of(&m->output, m->stream[0]);
    const uint32_t turns = m->length / TK_BLOCK(WEIGHT_BITS) * 4u - 4u + rounding;
    const uint32_t crooked = (((uint32_t)(uintptr_t)t->out | t->stride) & (step - 1u)) != 0;
    // A group that is not full repeats its last pixel, which is then written again.
    const uint32x4_t pixel = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32(t->pixels - 1u));
    const uint32x4_t at = vmulq_n_u32(pixel, t->stride);
    const int8_t *columns = t->columns;
    uint8_t *out = t->out;
    for (; fours != 0; --fours, out += step) {
        int32x4_t s0, s1, s2, s3;
        TK_DOT4(WEIGHT_BITS, stream, columns, m->length, turns, s0, s1);
        TK_DOT4(WEIGHT_BITS, stream, columns, m->length, turns, s2, s3);
        const int8x16_t bytes = tk_narrow(tk_limits_of(&m->output), s0, s1, s2, s3);
        if (__builtin_expect(crooked != 0, 0)) {
            store_bytes(bits, bytes, t->pixels, t->stride, out);
        } else if (__builtin_expect(bits == 8, 1)) {
            tk_store_lanes(8, bytes, at, out);
        } else {
            store_narrow(bits, bytes, at, out);
        }
    }
    return stream;
}

#else

TK_INLINE const uint32_t *multiply_fours(const target *t, uint32_t fours, const uint32_t *stream)
{
    const tk_matmul *m = t->m;
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS);
    for (uint32_t c = 0; c < 4 * fours; ++c) {
        const uint8_t *row = (const uint8_t *)stream + 16 * (c & 1u);
        const int32_t *scale = (const int32_t *)(stream + 8 * blocks) + (c & 1u);
        for (uint32_t i = 0; i < t->pixels; ++i) {
            const int8_t *x = t->columns + i * m->length;
            int32_t sum = scale[0];
            for (uint32_t block = 0; block < blocks; ++block, x += TK_BLOCK(WEIGHT_BITS)) {
                sum = tk_dot_block(WEIGHT_BITS, row + 32 * block, x, sum);
            }
            tk_finish_one(&m->output, sum, scale[2], scale[4], c, t->out + i * t->stride);
        }
        stream += (c & 1u) * (8 * blocks + 6);
    }
    return stream;
}

#endif

TK_INLINE void multiply4(const target *t)
{
    const tk_matmul *m = t->m;
    const uint32_t blocks = m->length / TK_BLOCK(WEIGHT_BITS), fours = m->channels / 4u;
    const uint32_t *stream = multiply_fours(t, fours, m->stream + 1);
    for (uint32_t c = 4 * fours; c < m->channels; ++c, stream += 4 * blocks + 3) {
        for (uint32_t i = 0; i < t->pixels; ++i) {
            tk_dot_rest(WEIGHT_BITS, &m->output, stream, blocks, t->columns + i * m->length, c,
                        t->out + i * t->stride);
        }
    }
}

#define TK_MULTIPLY4_DEFINE(name)                                                                  \
    void name(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)              \
    {                                                                                              \
        const uint32_t stride = (uint32_t)tk_pixel_bytes(m->channels, m->output.bits);             \
        multiply4(&(target){m, columns, pixels, stride, out});                                     \
    }

#endif
