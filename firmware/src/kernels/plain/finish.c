// SPDX-License-Identifier: Apache-2.0
#include "finish.h"

#include "tinykit/packing.h"

// Scales `count` sums of one channel, each for itself, and stores them `step` bytes apart.
static __attribute__((noinline)) void store_any(const tk_output *q, const uint32_t *tail,
                                                const int32_t *sum, uint32_t count, uint8_t *out,
                                                uint32_t step)
{
    const tk_plain_scale s = tk_plain_scale_of(q, (int32_t)tail[0], (int32_t)tail[1]);
    for (; count != 0; --count, out += step) {
        *out = (uint8_t)tk_plain_scale_one(q, &s, *sum++);
    }
}

// The same the short way, four sums a turn from `sum` to `end`.
TK_INLINE void store_fours(const tk_output *q, const tk_plain_scale *s, int fast,
                           const int32_t *sum, const int32_t *end, uint8_t *out, uint32_t step)
{
    do {
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; ++i, out += step) {
            *out = (uint8_t)tk_plain_clamp(q, fast, tk_plain_round(s, sum[i], fast));
        }
        sum += 4;
    } while (sum != end);
}

// Scales a block of channels, stored `row_step` bytes apart, the short way.
TK_INLINE void store_rows(const tk_plain_target *t, int fast, const uint32_t *tail,
                          const int32_t *sum, uint8_t *out, uint32_t row_step, uint32_t step)
{
    const tk_output q = {t->output->zero_point, t->output->low, t->output->high, 0};
    const uint32_t *end = tail + 2 * t->rows;
    do {
        const tk_plain_scale s = tk_plain_scale_of(&q, (int32_t)tail[0], (int32_t)tail[1]);
        const int32_t *next = sum + t->count;
        if (tk_plain_short(s.power)) {
            store_fours(&q, &s, fast, sum, next, out, step);
        } else {
            store_any(t->output, tail, sum, t->count, out, step);
        }
        sum = next;
        tail += 2;
        out += row_step;
    } while (tail != end);
}

// Packs the values of a pixel, those of a channel 8 bytes after those of the one before.
static void pack_any(uint8_t *out, uint32_t c, uint32_t rows, uint32_t bits, const uint8_t *value)
{
    for (uint32_t r = 0; r < rows; ++r) {
        tk_put(out, c + r, bits, value[8 * r]);
    }
}

// Packs the values of channels `c` to `c` + `rows` - 1.
static void pack(const tk_plain_target *t, uint32_t c, uint32_t rows, const uint8_t *value)
{
    const uint32_t bits = t->output->bits, stride = t->stride;
    // What the channels of a pixel fill: two bytes, one, or something that must be put together.
    const uint32_t fields = rows == t->rows ? rows * bits : 0;
    uint8_t *out = t->out, *byte = out + c * bits / 8u;
    for (const uint8_t *end = value + t->pixels; value != end; ++value) {
        if (fields == 16) {
            byte[0] = (uint8_t)((value[0] & 15u) | (uint32_t)value[8] << 4);
            byte[1] = (uint8_t)((value[16] & 15u) | (uint32_t)value[24] << 4);
        } else if (fields == 8 && bits == 4) {
            byte[0] = (uint8_t)((value[0] & 15u) | (uint32_t)value[8] << 4);
        } else if (fields == 8) {
            byte[0] = (uint8_t)((value[0] & 3u) | (value[8] & 3u) << 2 | (value[16] & 3u) << 4 |
                                (uint32_t)value[24] << 6);
        } else {
            pack_any(out, c, rows, bits, value);
        }
        out += stride;
        byte += stride;
    }
}

void tk_plain_finish(const tk_plain_target *t, const uint32_t *tail, uint32_t c, const int32_t *sum)
{
    const uint32_t left = t->channels - c, rows = left < t->rows ? left : t->rows;
    const int whole = t->output->bits == 8;
    uint8_t value[8 * 4];
    uint8_t *out = whole ? t->out + c : value;
    const uint32_t row_step = whole ? 1 : 8, step = whole ? t->stride : 1;
    if (t->pixels != t->count || t->count % 4 != 0 || rows != t->rows) {
        for (uint32_t r = 0; r < rows; ++r, out += row_step) {
            store_any(t->output, tail + 2 * r, sum + r * t->count, t->pixels, out, step);
        }
    } else if (tk_plain_is_fast(t->output)) {
        store_rows(t, 1, tail, sum, out, row_step, step);
    } else {
        store_rows(t, 0, tail, sum, out, row_step, step);
    }
    if (!whole) {
        pack(t, c, rows, value);
    }
}
