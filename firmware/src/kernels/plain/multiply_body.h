// SPDX-License-Identifier: Apache-2.0
// The frame of all multipliers without SIMD. Included once by each after
//   WEIGHT_BITS  of a weight in the stream: 8, 4 or 2,
//   PIXELS       in a group,
//   LANE_BITS    32 where a column holds one pixel, 16 or 8 where 2 or 4 share a word.
//
// A step takes one value of each column and one weight of ROWS channels, and every product goes
// to its own sum. Of 4 pixels and 4 rows that is 8 loads, 16 multiplications and 16 additions: 2.5
// instructions for a product. Where pixels share a word, one multiplication makes 2 or 4 products.
//
// A sum of two that share is s0 + s1 * 2^LANE_BITS. The generator proves from the real weights that
// each part stays within half its lane over `chunk` values; then they are taken apart.
//
// The stream holds for each ROWS channels: their biases, for each value the weights of all of
// them, then multiplier and power of each (scale.h). Missing channels at the end are zero.
#ifndef TINYKIT_PLAIN_MULTIPLY_BODY_H
#define TINYKIT_PLAIN_MULTIPLY_BODY_H

#include "finish.h"
#include "tinykit/matmul.h"
#include "tinykit/packing.h"

// Rows that are multiplied at once; a single pixel leaves room for more.
#define ROWS (PIXELS == 1 ? 4 : TK_ROWS)
#define LANES (32 / LANE_BITS)
// Columns, and those that one pass takes.
#define COLUMNS (PIXELS / LANES)
#define WIDTH (COLUMNS < TK_PASS ? COLUMNS : TK_PASS)
// Values that one turn of the inner loop takes.
#define BLOCK (WEIGHT_BITS == 8 ? 4 : 32 / WEIGHT_BITS / ROWS)

// Indices must be constants before the compiler decides what lives in registers, hence no loops.
#if PIXELS == 1 || TK_ROWS == 4
#define EACH_ROW(what) what(0) what(1) what(2) what(3)
#else
#define EACH_ROW(what) what(0) what(1)
#endif
#if WIDTH == 4
#define EACH_COLUMN(what) what(0) what(1) what(2) what(3)
#elif WIDTH == 2
#define EACH_COLUMN(what) what(0) what(1)
#else
#define EACH_COLUMN(what) what(0)
#endif

#if LANE_BITS == 32
typedef int8_t column;
#else
typedef int32_t column;
#endif

// The sums of ROWS rows over WIDTH columns. Signed, so that the compiler adds in this order.
typedef struct {
    int32_t at[ROWS][WIDTH];
} block;

#if WEIGHT_BITS == 8
// Weights of a turn: bytes to load, or a word to take apart.
typedef const int8_t *weights;

// Those at `row`.
TK_INLINE weights weights_at(const uint32_t *row)
{
    return (const int8_t *)row;
}

// Number `i` of them.
TK_INLINE int32_t weight(weights w, uint32_t i)
{
    return w[i];
}
#else
typedef uint32_t weights;

TK_INLINE weights weights_at(const uint32_t *row)
{
    return *row;
}

TK_INLINE int32_t weight(weights w, uint32_t i)
{
    return (int32_t)(w << (32 - WEIGHT_BITS * (i + 1))) >> (32 - WEIGHT_BITS);
}
#endif

#if PIXELS == 1

// Adds value number `k` of a turn.
TK_INLINE void add_value(weights all, uint32_t k, const column *x, block *sum)
{
    const int32_t value = *x;
#define ADD(r) tk_plain_mac(&sum->at[r][0], weight(all, k *ROWS + r), value);
    EACH_ROW(ADD)
}

#else

TK_INLINE void add_value(weights all, uint32_t k, const column *x, block *sum)
{
    int32_t w[ROWS];
#define READ(r) w[r] = weight(all, k * ROWS + r);
#define ADD(r) tk_plain_mac(&sum->at[r][COLUMN], w[r], value);
#define ADD_COLUMN(i)                                                                              \
    {                                                                                              \
        enum { COLUMN = i };                                                                       \
        const int32_t value = x[i];                                                                \
        EACH_ROW(ADD)                                                                              \
    }
    EACH_ROW(READ)
    EACH_COLUMN(ADD_COLUMN)
}

#endif

// Adds `length` values; returns what follows the row.
TK_INLINE const uint32_t *dot(const uint32_t *row, const column *x, uint32_t length, block *sum)
{
    const column *end = x + length * COLUMNS;
    do {
        const weights all = weights_at(row);
#pragma GCC unroll 8
        for (uint32_t k = 0; k < BLOCK; ++k) {
            add_value(all, k, x + k * COLUMNS, sum);
        }
        x += BLOCK * COLUMNS;
        row += BLOCK * ROWS * WEIGHT_BITS / 32;
    } while (x != end);
    return row;
}

#define START_ROW(r)                                                                               \
    {                                                                                              \
        enum { ROW = r };                                                                          \
        EACH_COLUMN(START_COLUMN)                                                                  \
    }

#if LANES == 1

// All sums of a block of rows over WIDTH columns, those of a row PIXELS after those of the row
// before; returns what follows the rows in the stream.
// A function of its own where that leaves GCC more registers.
#if PIXELS == 1
static __attribute__((noinline))
#else
TK_INLINE
#endif
const uint32_t *multiply_rows(const tk_matmul *m, const uint32_t *stream, const column *x,
                              int32_t *sum)
{
    block whole;
#define START_COLUMN(i) whole.at[ROW][i] = (int32_t)stream[ROW];
    EACH_ROW(START_ROW)
    stream = dot(stream + ROWS, x, m->length, &whole);
#define STORE_COLUMN(i) sum[ROW * PIXELS + i] = whole.at[ROW][i];
#define STORE_ROW(r)                                                                               \
    {                                                                                              \
        enum { ROW = r };                                                                          \
        EACH_COLUMN(STORE_COLUMN)                                                                  \
    }
    if (WIDTH == PIXELS) {
        *(block *)sum = whole;
    } else {
        EACH_ROW(STORE_ROW)
    }
    return stream;
}

#else

// Where a shared sum starts, so that no part but the last is ever negative in its lane.
#define LANE_HALF (1 << (LANE_BITS - 1))
#define START (LANE_BITS == 16 ? LANE_HALF : LANE_HALF * 0x00010101)

// Part `lane` of a shared sum.
TK_INLINE int32_t part(int32_t shared, uint32_t lane)
{
    if (lane == LANES - 1) {
        return shared >> (lane * LANE_BITS);
    }
    const uint32_t top = (uint32_t)shared << (32 - (lane + 1) * LANE_BITS);
    return (int32_t)(top >> (32 - LANE_BITS)) - LANE_HALF;
}

// Adds the parts of a chunk's sums to the biases, or to the sums so far.
TK_INLINE void take_apart(const block *shared, const int32_t *bias, int32_t *sum)
{
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ROWS; ++r, sum += PIXELS - WIDTH * LANES) {
#pragma GCC unroll 4
        for (uint32_t i = 0; i < WIDTH; ++i) {
#pragma GCC unroll 4
            for (uint32_t lane = 0; lane < LANES; ++lane, ++sum) {
                *sum = part(shared->at[r][i], lane) + (bias != NULL ? bias[r] : *sum);
            }
        }
    }
}

static __attribute__((noinline)) const uint32_t *
multiply_rows(const tk_matmul *m, const uint32_t *stream, const column *x, int32_t *sum)
{
    const int32_t *bias = (const int32_t *)stream;
    uint32_t left = m->length;
    stream += ROWS;
    do {
        const uint32_t count = left < m->chunk ? left : m->chunk;
        block shared;
#define START_COLUMN(i) shared.at[ROW][i] = START;
        EACH_ROW(START_ROW)
        stream = dot(stream, x, count, &shared);
        take_apart(&shared, bias, sum);
        bias = NULL;
        x += count * COLUMNS;
        left -= count;
    } while (left != 0);
    return stream;
}

#endif

TK_INLINE void multiply(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)
{
    const uint32_t stride = (uint32_t)tk_pixel_bytes(m->channels, m->output.bits);
    tk_plain_target t = {&m->output, m->channels, ROWS, PIXELS, 0, NULL, stride};
    const uint32_t *stream = m->stream;
    const uint32_t channels = m->channels;
    for (uint32_t c = 0; c < channels; c += ROWS) {
        const uint32_t *tail = stream;
        int32_t sum[ROWS * PIXELS];
        for (uint32_t i = 0; i < COLUMNS; i += WIDTH) {
            tail = multiply_rows(m, stream, (const column *)columns + i, sum + i * LANES);
        }
        // Set here, and not once and for all, because GCC then finds registers for all sums.
        t.pixels = pixels;
        t.out = out;
        tk_plain_finish(&t, tail, c, sum);
        stream = tail + 2 * ROWS;
    }
}

#define TK_MULTIPLY_DEFINE(name)                                                                   \
    void name(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out)              \
    {                                                                                              \
        multiply(m, columns, pixels, out);                                                         \
    }

#endif
