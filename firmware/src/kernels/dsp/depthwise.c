// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution for cores with DSP instructions, one channel at a time.
//
// A channel's pixels lie far apart in memory. Copied to a plane of halves, two neighbours make one
// operand of SMLAD, the taps stay in registers for the whole plane, and borders need no care, for
// the padding is copied too. Of the 3x3 kernel, 12 multiplications, three loads of two words and
// the requantisation make two output pixels.
#include "tinykit/depthwise.h"

#include "finish.h"

typedef struct {
    const tk_depthwise_params *p;
    // The plane, its rows on word boundaries.
    int16_t *plane;
    // The taps times TK_SUM_UNIT, each kernel row filled up to an even number with zero.
    int16_t *taps;
    // Of the channel at hand.
    int32_t bias, multiplier, power;
    // Bytes from one output pixel to the next.
    uint32_t out_bytes;
} channel;

static uint32_t even(uint32_t count)
{
    return (count + 1u) & ~1u;
}

// Fills the whole plane with zero points; copying then leaves the padding alone.
static void blank_plane(const channel *k)
{
    const tk_depthwise_params *p = k->p;
    const int32_t blank = p->in_zero_point + tk_unpack_offset(p->in_bits);
    const uint32_t pair = (uint32_t)(blank & 0xFFFF) | (uint32_t)blank << 16;
    int16_t *at = k->plane;
    for (uint32_t i = (uint32_t)p->plane_height * p->plane_width / 2u + 1u; i != 0; --i, at += 2) {
        tk_store32_aligned(at, pair);
    }
}

// Copies input channel `c`, of 8 bits.
static void copy_channel8(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t step = p->in_channels, width = p->in_width;
    const uint8_t *from = in + c;
    int16_t *to = k->plane + (uint32_t)p->pad_top * p->plane_width + p->pad_left;
    for (uint32_t row = p->in_height; row != 0; --row, to += p->plane_width) {
        uint32_t x = 0;
        for (; x + 4 <= width; x += 4, from += 4 * step) {
            to[x] = (int8_t)from[0];
            to[x + 1] = (int8_t)from[step];
            to[x + 2] = (int8_t)from[2 * step];
            to[x + 3] = (int8_t)from[3 * step];
        }
        for (; x < width; ++x, from += step) {
            to[x] = (int8_t)*from;
        }
    }
}

// Copies input channel `c`, of 4 or 2 bits.
static void copy_channel(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const size_t bytes = tk_pixel_bytes(p->in_channels, p->in_bits);
    const int32_t offset = tk_unpack_offset(p->in_bits);
    int16_t *to = k->plane + (uint32_t)p->pad_top * p->plane_width + p->pad_left;
    for (uint32_t row = p->in_height; row != 0; --row, to += p->plane_width) {
        for (uint32_t x = 0; x < p->in_width; ++x, in += bytes) {
            to[x] = (int16_t)(tk_get(in, c, p->in_bits) + offset);
        }
    }
}

// Reads what the stream says of one channel; returns what follows.
static const uint32_t *read_channel(channel *k, const uint32_t *stream)
{
    const tk_depthwise_params *p = k->p;
    const uint8_t *packed = (const uint8_t *)(stream + 3);
    int16_t *tap = k->taps;
    uint32_t i = 0;
    k->bias = (int32_t)stream[0] * TK_SUM_UNIT;
    k->multiplier = (int32_t)stream[1];
    k->power = (int32_t)stream[2];
    for (uint32_t row = 0; row < p->kernel_height; ++row) {
        for (uint32_t col = 0; col < p->kernel_width; ++col, ++i) {
            *tap++ = (int16_t)(tk_get(packed, i, p->weight_bits) * TK_SUM_UNIT);
        }
        if (p->kernel_width & 1u) {
            *tap++ = 0;
        }
    }
    return stream + 3 + (i * p->weight_bits + 31u) / 32u;
}

// Stores one sum of output channel `c`.
TK_INLINE void put(const channel *k, uint32_t c, int32_t sum, uint8_t *out)
{
    tk_scale_sums(&k->p->output, k->multiplier, k->power, 1, &sum);
    tk_store_channel(&k->p->output, c, 1, 1, &sum, 0, out);
}

// Any kernel: pairs of taps where they are neighbours.
static void convolve_any(const channel *k, uint32_t c, uint8_t *out)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t width = p->kernel_width, taps = even(width);
    for (uint32_t row = 0; row < p->out_height; ++row) {
        for (uint32_t col = 0; col < p->out_width; ++col, out += k->out_bytes) {
            const int16_t *x =
                k->plane + row * p->stride_height * p->plane_width + col * p->stride_width;
            const int16_t *tap = k->taps;
            int32_t sum = k->bias;
            for (uint32_t down = p->kernel_height; down != 0; --down, tap += taps) {
                if (p->dilation_width == 1) {
                    for (uint32_t i = 0; i < taps; i += 2) {
                        sum = tk_smlad(tk_load32(x + i), tk_load32_aligned(tap + i), sum);
                    }
                } else {
                    for (uint32_t i = 0; i < width; ++i) {
                        sum += x[i * p->dilation_width] * tap[i];
                    }
                }
                x += (uint32_t)p->dilation_height * p->plane_width;
            }
            put(k, c, sum, out);
        }
    }
}

// A kernel row of three taps: 0 and 1, and 1 and 2.
typedef struct {
    uint32_t w01, w12;
} tap_row;

// Adds a kernel row at `x`, a word boundary, for the output pixels at `x` and right of it.
TK_INLINE void add_row(const int16_t *x, tap_row w, int32_t sum[2])
{
    const uint32_t x01 = tk_load32_aligned(x), x23 = tk_load32_aligned(x + 2);
    sum[0] = tk_smlad(x01, w.w01, sum[0]);
    sum[0] = tk_smlabt(x23, w.w12, sum[0]);
    sum[1] = tk_smlatb(x01, w.w01, sum[1]);
    sum[1] = tk_smlad(x23, w.w12, sum[1]);
}

TK_INLINE tap_row row_of_taps(const int16_t *tap)
{
    return (tap_row){tk_load32_aligned(tap),
                     (uint32_t)(uint16_t)tap[1] | (uint32_t)(uint16_t)tap[2] << 16};
}

// The kernel of 3x3 without dilation; one row of output, at `stride` 1 two pixels a turn.
TK_INLINE void convolve_row(const channel *k, uint32_t c, const tap_row w[3], const int16_t *x,
                            uint32_t stride, uint8_t *out)
{
    const tk_output q = k->p->output;
    const uint32_t row = k->p->plane_width;
    const int32_t bias = k->bias, multiplier = k->multiplier, power = k->power;
    for (int32_t left = k->p->out_width; left > 0; left -= stride == 1 ? 2 : 1, x += 2) {
        int32_t sum[2] = {bias, bias};
        add_row(x, w[0], sum);
        add_row(x + row, w[1], sum);
        add_row(x + 2 * row, w[2], sum);
        const uint32_t pixels = stride == 1 ? 2 : 1;
        tk_scale_sums(&q, multiplier, power, pixels, sum);
        if (stride == 1 && left > 1) {
            tk_store_channel(&q, c, 2, 2, sum, k->out_bytes, out);
            out += 2 * k->out_bytes;
        } else {
            tk_store_channel(&q, c, 1, 1, sum, 0, out);
            out += k->out_bytes;
        }
    }
}

static void convolve_3x3(const channel *k, uint32_t c, uint8_t *out)
{
    const tk_depthwise_params *p = k->p;
    const tap_row w[3] = {row_of_taps(k->taps), row_of_taps(k->taps + 4), row_of_taps(k->taps + 8)};
    const int16_t *x = k->plane;
    for (uint32_t row = p->out_height; row != 0; --row) {
        if (p->stride_width == 1) {
            convolve_row(k, c, w, x, 1, out);
        } else {
            convolve_row(k, c, w, x, 2, out);
        }
        x += (uint32_t)p->stride_height * p->plane_width;
        out += p->out_width * k->out_bytes;
    }
}

static int is_3x3(const tk_depthwise_params *p)
{
    return p->kernel_height == 3 && p->kernel_width == 3 && p->dilation_height == 1 &&
           p->dilation_width == 1 && p->stride_width <= 2;
}

tk_status tk_dsp_depthwise(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t multiplier = p->channels / p->in_channels;
    const uint32_t *stream = p->stream;
    channel k = {.p = p, .plane = scratch};
    k.taps = k.plane + (uint32_t)p->plane_height * p->plane_width + 2;
    k.out_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    blank_plane(&k);
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
        if (is_3x3(p)) {
            convolve_3x3(&k, c, out);
        } else {
            convolve_any(&k, c, out);
        }
    }
    return TK_OK;
}
