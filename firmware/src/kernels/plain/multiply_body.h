// SPDX-License-Identifier: Apache-2.0
// The frame of all multipliers without SIMD. Included once by each after
//   WEIGHT_BITS  of a weight in the stream: 8, 4 or 2,
//   PIXELS       in a group,
//   LANE_BITS    32 where a column holds one pixel, 16 or 8 where 2 or 4 share a word.
//
// A step takes one value of each column and one weight of TK_ROWS channels, and every product goes
// to its own sum. Of 4 pixels and 4 rows that is 8 loads, 16 multiplications and 16 additions: 2.5
// instructions for a product. Where pixels share a word, one multiplication makes 2 or 4 products.
//
// A sum of two that share is s0 + s1 * 2^LANE_BITS. The generator proves from the real weights that
// each part stays within half its lane over `chunk` values; then they are taken apart.
//
// The stream holds for each TK_ROWS channels: their biases, for each value the weights of all of
// them, then multiplier and power of each (scale.h). Missing channels at the end are zero.
#ifndef TINYKIT_PLAIN_MULTIPLY_BODY_H
#define TINYKIT_PLAIN_MULTIPLY_BODY_H

#include "finish.h"
#include "tinykit/matmul.h"

#define LANES (32 / LANE_BITS)
// Columns, and those that one pass takes.
#define COLUMNS (PIXELS / LANES)
#define WIDTH (COLUMNS < TK_PASS ? COLUMNS : TK_PASS)
// Values that one turn of the inner loop takes.
#define BLOCK (WEIGHT_BITS == 8 ? 4 : 32 / WEIGHT_BITS / TK_ROWS)
// Where a shared sum starts, so that no part but the last is ever negative in its lane.
#define LANE_HALF (1u << (LANE_BITS - 1))

#if LANE_BITS == 32
typedef int8_t column;
#elif LANE_BITS == 16
typedef uint32_t column;
#define START LANE_HALF
#else
typedef uint32_t column;
#define START (LANE_HALF * 0x00010101u)
#endif

// Weight number `i` of a turn.
TK_INLINE uint32_t weight(const uint32_t *row, uint32_t i)
{
    if (WEIGHT_BITS == 8) {
        return (uint32_t)(int32_t)((const int8_t *)row)[i];
    }
    return (uint32_t)((int32_t)(*row << (32 - WEIGHT_BITS * (i + 1))) >> (32 - WEIGHT_BITS));
}

// Adds `length` values; returns what follows the row.
TK_INLINE const uint32_t *dot(const uint32_t *row, const column *x, uint32_t length,
                              uint32_t sum[TK_ROWS][WIDTH])
{
    const column *end = x + length * COLUMNS;
    do {
#pragma GCC unroll 8
        for (uint32_t k = 0; k < BLOCK; ++k, x += COLUMNS) {
            uint32_t w[TK_ROWS];
#pragma GCC unroll 4
            for (uint32_t r = 0; r < TK_ROWS; ++r) {
                w[r] = weight(row, k * TK_ROWS + r);
            }
#pragma GCC unroll 4
            for (uint32_t i = 0; i < WIDTH; ++i) {
                const uint32_t value = (uint32_t)x[i];
#pragma GCC unroll 4
                for (uint32_t r = 0; r < TK_ROWS; ++r) {
                    sum[r][i] += w[r] * value;
                }
            }
        }
        row += BLOCK * TK_ROWS * WEIGHT_BITS / 32;
    } while (x != end);
    return row;
}

#if LANES == 1

// All sums of a block of rows over WIDTH columns, one row after another; returns what follows the
// rows in the stream.
static __attribute__((noinline)) const uint32_t *
multiply_rows(const tk_matmul *m, const uint32_t *stream, const column *x, int32_t *sum)
{
    uint32_t whole[TK_ROWS][WIDTH];
#pragma GCC unroll 16
    for (uint32_t i = 0; i < TK_ROWS * WIDTH; ++i) {
        whole[i / WIDTH][i % WIDTH] = stream[i / WIDTH];
    }
    stream = dot(stream + TK_ROWS, x, m->length, whole);
#pragma GCC unroll 16
    for (uint32_t i = 0; i < TK_ROWS * WIDTH; ++i) {
        sum[i] = (int32_t)whole[i / WIDTH][i % WIDTH];
    }
    return stream;
}

#else

// Part `lane` of a shared sum.
TK_INLINE int32_t part(uint32_t shared, uint32_t lane)
{
    if (lane == LANES - 1) {
        return (int32_t)shared >> ((lane * LANE_BITS) & 31);
    }
    return (int32_t)(shared << ((32 - (lane + 1) * LANE_BITS) & 31) >> (32 - LANE_BITS)) -
           (int32_t)LANE_HALF;
}

// Adds the parts of a chunk's sums to the biases, or to the sums so far.
TK_INLINE void take_apart(uint32_t shared[TK_ROWS][WIDTH], const int32_t *bias, int32_t *sum)
{
#pragma GCC unroll 4
    for (uint32_t r = 0; r < TK_ROWS; ++r) {
#pragma GCC unroll 4
        for (uint32_t i = 0; i < WIDTH; ++i) {
#pragma GCC unroll 4
            for (uint32_t lane = 0; lane < LANES; ++lane, ++sum) {
                *sum = part(shared[r][i], lane) + (bias != NULL ? bias[r] : *sum);
            }
        }
    }
}

static __attribute__((noinline)) const uint32_t *
multiply_rows(const tk_matmul *m, const uint32_t *stream, const column *x, int32_t *sum)
{
    const int32_t *bias = (const int32_t *)stream;
    uint32_t left = m->length;
    stream += TK_ROWS;
    do {
        const uint32_t count = left < m->chunk ? left : m->chunk;
        uint32_t shared[TK_ROWS][WIDTH];
#pragma GCC unroll 16
        for (uint32_t i = 0; i < TK_ROWS * WIDTH; ++i) {
            shared[i / WIDTH][i % WIDTH] = START;
        }
        stream = dot(stream, x, count, shared);
        take_apart(shared, bias, sum);
        bias = NULL;
        x += count * COLUMNS;
        left -= count;
    } while (left != 0);
    return stream;
}

#endif

TK_INLINE void multiply(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    const tk_output q = m->output;
    const uint32_t channels = m->channels;
    const uint32_t stride = (uint32_t)tk_pixel_bytes(channels, q.bits);
    const uint32_t *stream = m->stream;
    for (uint32_t c = 0; c < channels; c += TK_ROWS) {
        const uint32_t rows = channels - c < TK_ROWS ? channels - c : TK_ROWS;
        const uint32_t *tail = stream;
        for (uint32_t i = 0; i < COLUMNS; i += WIDTH) {
            const uint32_t first = i * LANES, count = WIDTH * LANES;
            int32_t sum[TK_ROWS * WIDTH * LANES];
            tail = multiply_rows(m, stream, (const column *)columns + i, sum);
            if (first < pixels) {
                tk_plain_finish(&q, tail, c, rows, sum, count,
                                pixels - first < count ? pixels - first : count, stride,
                                out + first * stride);
            }
        }
        stream = tail + 2 * TK_ROWS;
    }
}

#define TK_MULTIPLY_DEFINE(name)                                                                   \
    void name(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)              \
    {                                                                                              \
        multiply(m, columns, pixels, out);                                                         \
    }

#endif
