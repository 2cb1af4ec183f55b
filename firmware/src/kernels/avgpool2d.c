// SPDX-License-Identifier: Apache-2.0
// Where pixels are whole words, a word of 4 to 16 channels is summed at once: taken apart into
// pairs of fields 16 bits apart, which leaves room for the sums.
#include <stdint.h>

#include "pool_body.h"
#include "tinykit/simd.h"

// Divides by the number of pixels with one multiplication, where that is exact.
typedef struct {
    uint32_t count;
    // 2^24 / count, rounded up, or 0 where `count` is too large for it.
    uint32_t inverse;
} divisor;

// With inverse * count = 2^24 + e and e < count, floor(n * inverse / 2^24) is n / count while
// n * e < 2^24. A sum and half the count are at most 128.5 * count, hence this many pixels.
#define MOST_FOR_INVERSE 361u
// Pixels whose 8-bit values, without their sign, sum up to at most 16 bits.
#define MOST_FOR_WORDS 257u

static divisor divisor_of(uint32_t count)
{
    return (divisor){count, count <= MOST_FOR_INVERSE ? ((1u << 24) + count - 1u) / count : 0u};
}

// sum / count, rounded half away from zero.
TK_INLINE int32_t mean(const divisor *by, int32_t sum)
{
    const int32_t sign = sum >> 31;
    const uint32_t most = (uint32_t)((sum ^ sign) - sign) + by->count / 2u;
    const uint32_t quotient = by->inverse != 0 ? most * by->inverse >> 24 : most / by->count;
    return ((int32_t)quotient ^ sign) - sign;
}

// Sums a word of all pixels of a window. Field f of the lower and of the upper half of the word
// goes to sum[f]; the fields are made positive, each by half its range.
TK_INLINE void sum_word(const area *a, const uint8_t *first, unsigned bits, uint32_t *sum)
{
    const uint32_t mask = ((1u << bits) - 1u) * 0x00010001u;
    const uint32_t flip = bits == 8 ? 0x80808080u : bits == 4 ? 0x88888888u : 0xAAAAAAAAu;
    for (uint32_t row = a->rows; row != 0; --row, first += a->row_bytes) {
        const uint8_t *pixel = first;
        for (uint32_t col = a->cols; col != 0; --col, pixel += a->pixel_bytes) {
            const uint32_t word = tk_load32_aligned(pixel) ^ flip;
#define ADD(f)                                                                                     \
    if ((f) < 16u / bits) {                                                                        \
        sum[f] += word >> ((f) * bits & 15u) & mask;                                               \
    }
            ADD(0) ADD(1) ADD(2) ADD(3) ADD(4) ADD(5) ADD(6) ADD(7)
        }
    }
}

TK_INLINE void pool_words(const area *a, const divisor *by, unsigned bits, uint8_t *out)
{
    const unsigned fields = 16u / bits;
    const int32_t offset = (int32_t)(by->count << (bits - 1u));
    for (uint32_t at = 0; at < a->pixel_bytes; at += 4) {
        uint32_t sum[8] = {0};
        sum_word(a, a->first + at, bits, sum);
        for (unsigned i = 0; i < 2 * fields; ++i) {
            const uint32_t both = sum[i & (fields - 1u)];
            const int32_t one = (int32_t)(i < fields ? both & 0xFFFFu : both >> 16);
            tk_put(out + at, i, bits, mean(by, one - offset));
        }
    }
}

// Any other number of channels, one after another.
static __attribute__((noinline)) void pool_channels(const area *a, const divisor *by,
                                                    uint32_t channels, unsigned bits, uint8_t *out)
{
    for (uint32_t c = 0; c < channels; ++c) {
        int32_t sum = 0;
        const uint8_t *line = a->first;
        for (uint32_t row = a->rows; row != 0; --row, line += a->row_bytes) {
            const uint8_t *pixel = line;
            for (uint32_t col = a->cols; col != 0; --col, pixel += a->pixel_bytes) {
                sum += tk_get(pixel, c, bits);
            }
        }
        tk_put(out, c, bits, mean(by, sum));
    }
}

// Any window and any number of channels; `narrow`, a constant, says whether values have fewer than
// 8 bits.
TK_INLINE void pool_pixel(const area *a, const divisor *by, const tk_pool_params *p, int narrow,
                          uint8_t *out)
{
    const unsigned bits = p->bits;
    const int whole = p->channels * bits % 32u == 0 && ((uintptr_t)a->first & 3u) == 0;
    if (!whole || by->count > MOST_FOR_WORDS) {
        pool_channels(a, by, p->channels, bits, out);
    } else if (!narrow) {
        pool_words(a, by, 8, out);
    } else if (bits == 4) {
        pool_words(a, by, 4, out);
    } else {
        pool_words(a, by, 2, out);
    }
}

TK_INLINE tk_status pool(const tk_pool_params *p, const void *in, int narrow, uint8_t *out)
{
    divisor by = divisor_of(1);
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col) {
            const area a = area_at(p, in, row, col);
            if (a.rows * a.cols != by.count) {
                by = divisor_of(a.rows * a.cols);
            }
            pool_pixel(&a, &by, p, narrow, out);
            out += a.pixel_bytes;
        }
    }
    return TK_OK;
}

tk_status tk_avgpool2d(const tk_pool_params *p, const void *in, void *out)
{
    return pool(p, in, 0, out);
}

tk_status tk_avgpool2d_narrow(const tk_pool_params *p, const void *in, void *out)
{
    return pool(p, in, 1, out);
}

TK_LAYER_RUN(tk_avgpool2d, layer->in[0], layer->out)

TK_LAYER_RUN(tk_avgpool2d_narrow, layer->in[0], layer->out)
