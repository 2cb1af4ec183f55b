// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of 3x3, stride 1, for cores with MVE.
//
// VMLADAV multiplies 16 bytes and adds up the products, so a vector should hold as much of a window
// as it can. Four channels are taken at a time. A strip is what two rows of output see of them:
// four rows of input, laid down column by column, so that the four values of a column and a channel
// are one word. A vector of four such words, a tile, holds the windows of 2 x 2 output pixels,
// which four versions of the same nine weights pick: a load and four VMLADAV are 36 products.
//
// "Along" a strip is the longer side of the image, "across" the other. A strip is filled before the
// outputs of the strip before it are written, so that the output may be the input.
//
// After its first word (finish.h) the stream holds for each channel: its weights, a word for each
// place along with the bytes of the places across, the last byte zero; then bias, multiplier, and
// shift negated.
#include "tinykit/depthwise.h"

#include <string.h>

#include "tile.h"

#define CHANNEL_WORDS 6u
#define COLUMN_BYTES 16u
// A strip has room for as many columns more as one step of filling may write.
#define SPARE_COLUMNS 4u

// One side of the image.
typedef struct {
    // Pixels of the input and of the output.
    uint32_t in, out;
    // Bytes from one to the next.
    uint32_t in_step, out_step;
    // Padding before, and size with all padding.
    uint32_t before, padded;
} side;

typedef struct {
    const tk_depthwise_params *p;
    side along, across;
    // Tiles in a strip.
    uint32_t tiles;
    // Scratch memory: two strips, the scaled sums of one, and four rows unpacked.
    uint8_t *strip[2];
    int32_t *sums;
    uint32_t *unpacked;
    // Four zero points.
    uint32_t blank;
} image;

static image image_of(const tk_depthwise_params *p, void *scratch)
{
    const uint32_t in = (uint32_t)tk_pixel_bytes(p->in_channels, p->in_bits);
    const uint32_t out = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    const side rows = {p->in_height,       p->out_height, in * p->in_width,
                       out * p->out_width, p->pad_top,    p->plane_height};
    const side cols = {p->in_width, p->out_width, in, out, p->pad_left, p->plane_width};
    const uint32_t high = p->out_height > p->out_width;
    image m = {.p = p, .along = high ? rows : cols, .across = high ? cols : rows};
    const uint32_t strip_bytes = COLUMN_BYTES * (m.along.padded + SPARE_COLUMNS);
    m.tiles = (m.along.out + 1u) / 2u;
    m.strip[0] = scratch;
    m.strip[1] = m.strip[0] + strip_bytes;
    m.sums = (int32_t *)scratch + strip_bytes / 2u;
    m.unpacked = (uint32_t *)scratch + strip_bytes / 2u + 16u * m.tiles;
    m.blank = (uint8_t)(p->in_zero_point + tk_unpack_offset(p->in_bits)) * 0x01010101u;
    return m;
}

// The input at place `y` across, or NULL where there is only padding.
static const uint8_t *row_at(const image *m, const uint8_t *in, int32_t y)
{
    const uint32_t row = (uint32_t)y;
    return row < m->across.in ? in + row * m->across.in_step : NULL;
}

#if defined(__ARM_FEATURE_MVE)

// Unpacks four channels of a row of `bits` bits to one word a pixel, each value plus its offset.
static void unpack_row(const image *m, uint32_t bits, const uint8_t *from, uint32_t *to)
{
    const uint32_t step = m->along.in_step;
    const uint32x4_t at = vmulq_n_u32(vidupq_n_u32(0, 1), step);
    if (bits == 4) {
        TK_SPREAD("h", "8", "4", at, vdupq_n_u32(0x00FF00FFu), vdupq_n_u32(0x0F0F0F0Fu),
                  vdupq_n_u32(0x08080808u), 4 * step, m->along.in, from, to);
    } else {
        TK_SPREAD("b", "12", "6", at, vdupq_n_u32(0x000F000Fu), vdupq_n_u32(0x03030303u),
                  vdupq_n_u32(0x02020202u), 4 * step, m->along.in, from, to);
    }
}

// Notes where row `i` of a strip comes from and how far its pixels are apart.
static void set_row(const image *m, tk_rows *rows, uint32_t i, const uint8_t *from, uint32_t step)
{
    const uint32x4_t index = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32(m->along.in - 1u));
    rows->from[i] = from;
    rows->step[i] = 4 * step;
    vst1q_u32(rows->offset[i], vmulq_n_u32(index, step));
}

// Finds the rows from `y` across. Of narrow ones, which are unpacked, those before row `fresh` are
// there already: strips have two rows in common.
static void find_rows(const image *m, tk_rows *rows, const uint8_t *in, int32_t y, uint32_t fresh)
{
    const uint32_t bits = m->p->in_bits;
    for (uint32_t i = 0; i < 4; ++i, ++y) {
        const uint8_t *from = row_at(m, in, y);
        if (from == NULL) {
            set_row(m, rows, i, (const uint8_t *)&m->blank, 0);
        } else if (bits == 8) {
            set_row(m, rows, i, from, m->along.in_step);
        } else {
            uint32_t *unpacked = m->unpacked + ((uint32_t)y & 3u) * m->along.in;
            if (i >= fresh) {
                unpack_row(m, bits, from, unpacked);
            }
            set_row(m, rows, i, (const uint8_t *)unpacked, 4);
        }
    }
}

// Fills columns with zero points.
static void blank_columns(const image *m, uint32_t first, uint32_t end, uint8_t *strip)
{
    const uint32x4_t blank = vdupq_n_u32(m->blank);
    for (; first < end; ++first) {
        vst1q_u32((uint32_t *)(void *)(strip + first * COLUMN_BYTES), blank);
    }
}

// Lays down four channels, from the bytes at `in`, of the rows from `y` across.
static void fill_strip(const image *m, const uint8_t *in, int32_t y, uint32_t fresh, uint8_t *strip)
{
    const uint32_t count = m->along.in, before = m->along.before;
    uint8_t *inside = strip + before * COLUMN_BYTES;
    tk_rows rows;
    find_rows(m, &rows, in, y, fresh);
    if (count >= 4) {
        tk_interleave(&rows, count / 4u, inside);
    }
    if (count % 4u != 0) {
        // The last four again; where there are not so many, the last pixel several times.
        const uint32_t first = count < 4 ? 0 : count - 4u;
        for (uint32_t i = 0; i < 4; ++i) {
            rows.from[i] += first * (rows.step[i] / 4u);
        }
        tk_interleave(&rows, 1, inside + first * COLUMN_BYTES);
    }
    blank_columns(m, 0, before, strip);
    blank_columns(m, before + count, m->along.padded, strip);
}

// Stores the scaled sums of four channels: one tile after the other, `rows` rows.
TK_INLINE void store_tiles(const image *m, uint32_t bits, uint32_t rows, uint8_t *out)
{
    const tk_limits limits = tk_limits_of(&m->p->output);
    const uint32_t step = m->along.out_step, tiles = m->tiles;
    const uint32_t down = rows == 2 ? m->across.out_step : 0;
    const uint32x4_t lane = vidupq_n_u32(0, 1);
    const uint32x4_t at = vaddq_u32(vmulq_n_u32(vandq_u32(lane, vdupq_n_u32(1)), step),
                                    vmulq_n_u32(vshrq_n_u32(lane, 1), down));
    const int32_t *s0 = m->sums, *s1 = s0 + 4 * tiles, *s2 = s1 + 4 * tiles, *s3 = s2 + 4 * tiles;
    for (uint32_t left = m->along.out / 2u; left != 0; --left) {
        const int8x16_t bytes =
            tk_narrow(limits, vld1q_s32(s0), vld1q_s32(s1), vld1q_s32(s2), vld1q_s32(s3));
        tk_store_lanes(bits, bytes, at, out);
        s0 += 4;
        s1 += 4;
        s2 += 4;
        s3 += 4;
        out += 2 * step;
    }
    if (m->along.out % 2u != 0) {
        const int8x16_t bytes =
            tk_narrow(limits, vld1q_s32(s0), vld1q_s32(s1), vld1q_s32(s2), vld1q_s32(s3));
        tk_store_lanes(bits, bytes, at, out - step);
    }
}

static void store_strip(const image *m, uint32_t rows, uint8_t *out)
{
    if (m->p->output.bits == 8) {
        store_tiles(m, 8, rows, out);
    } else if (m->p->output.bits == 4) {
        store_tiles(m, 4, rows, out);
    } else {
        store_tiles(m, 2, rows, out);
    }
}

// Convolves a strip into `rows` rows of four channels at `out`.
static void convolve_strip(const image *m, const uint32_t *stream, const uint8_t *strip,
                           uint32_t rows, uint8_t *out)
{
    const uint32_t pairs = m->along.out / 2u, odd = m->along.out % 2u;
    const uint32_t second_row = rows == 2 ? 8 : 0;
    const tk_rounding rounding = tk_rounding_of(&m->p->output, m->p->stream[0]);
    int32_t *sums = m->sums;
    for (uint32_t c = 0; c < 4; ++c, stream += CHANNEL_WORDS, strip += 4, sums += 4 * m->tiles) {
        if (rounding == TK_ROUND_UP) {
            TK_TILES(UP, stream, strip, pairs, odd, second_row, sums);
        } else if (rounding == TK_ROUND_AWAY) {
            TK_TILES(AWAY, stream, strip, pairs, odd, second_row, sums);
        } else {
            TK_TILES(ANY, stream, strip, pairs, odd, second_row, sums);
        }
    }
    store_strip(m, rows, out);
}

#else

static void fill_strip(const image *m, const uint8_t *in, int32_t y, uint32_t fresh, uint8_t *strip)
{
    (void)fresh;
    const tk_depthwise_params *p = m->p;
    const int32_t offset = tk_unpack_offset(p->in_bits);
    memset(strip, (int)(m->blank & 0xFFu), COLUMN_BYTES * m->along.padded);
    for (uint32_t row = 0; row < 4; ++row, ++y) {
        const uint8_t *from = row_at(m, in, y);
        uint8_t *to = strip + COLUMN_BYTES * m->along.before + row;
        for (uint32_t i = 0; from != NULL && i < m->along.in; ++i, from += m->along.in_step) {
            for (uint32_t c = 0; c < 4; ++c, to += 4) {
                *to = (uint8_t)(tk_get(from, c, p->in_bits) + offset);
            }
        }
    }
}

static void convolve_strip(const image *m, const uint32_t *stream, const uint8_t *strip,
                           uint32_t rows, uint8_t *out)
{
    for (uint32_t i = 0; i < rows * m->along.out; ++i) {
        const uint32_t row = i / m->along.out, x = i % m->along.out;
        uint8_t *pixel = out + row * m->across.out_step + x * m->along.out_step;
        for (uint32_t c = 0; c < 4; ++c) {
            const uint32_t *channel = stream + CHANNEL_WORDS * c;
            const int8_t *weight = (const int8_t *)channel;
            int32_t sum = (int32_t)channel[3];
            for (uint32_t tap = 0; tap < 9; ++tap) {
                const uint8_t *column = strip + COLUMN_BYTES * (x + tap / 3u) + 4 * c;
                sum += (int8_t)column[tap % 3u + row] * weight[tap / 3u * 4u + tap % 3u];
            }
            tk_finish_one(&m->p->output, sum, (int32_t)channel[4], (int32_t)channel[5], c, pixel);
        }
    }
}

#endif

// Four channels, from the bytes at `in` to those at `out`.
static void convolve_four(const image *m, const uint32_t *stream, const uint8_t *in, uint8_t *out)
{
    int32_t y = -(int32_t)m->across.before;
    uint32_t at = 0;
    fill_strip(m, in, y, 0, m->strip[0]);
    for (uint32_t left = m->across.out; left != 0; out += 2 * m->across.out_step, at ^= 1u) {
        const uint32_t rows = left < 2 ? left : 2;
        left -= rows;
        y += 2;
        if (left != 0) {
            fill_strip(m, in, y, 2, m->strip[at ^ 1u]);
        }
        convolve_strip(m, stream, m->strip[at], rows, out);
    }
}

tk_status tk_mve_depthwise_3x3(const tk_depthwise_params *p, const void *in, void *out,
                               void *scratch)
{
    const image m = image_of(p, scratch);
    const uint8_t *from = in;
    uint8_t *to = out;
    const uint32_t *stream = p->stream + 1;
    for (uint32_t c = 0; c < p->channels; c += 4, stream += 4 * CHANNEL_WORDS) {
        convolve_four(&m, stream, from, to);
        from += p->in_bits / 2u;
        to += p->output.bits / 2u;
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_mve_depthwise_3x3, layer->in[0], layer->out, layer->scratch)
