// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution for cores with MVE, 16 channels at a time, one in each byte lane.
//
// The rows of the input that a row of output needs are copied with their padding to a ring in
// scratch memory, 16 bytes a pixel, whatever the input's width. So borders need no care, and the
// output may be the input. Two products of bytes add up in 16 bits (2 * 127 * 128 < 2^15), so taps
// are taken in pairs before their sum is widened to 32 bits.
//
// The stream starts with a word that is nonzero where some shift of the layer is not to the right
// by one at least. For each 16 channels it holds: for each tap, and a zero one if their number is
// odd, 16 bytes; then for j = 0..3 the biases, multipliers and shifts of channels j, 4 + j, 8 + j
// and 12 + j, the order in which widening leaves them.
#include "tinykit/depthwise.h"

#include <string.h>

#include "block16.h"

#define SCALE_WORDS 48u

// What is the same for all rows of a block of 16 channels.
typedef struct {
    const tk_depthwise_params *p;
    tk_lanes lanes;
    const int8_t *weights;
    // Biases, multipliers and shifts.
    const int32_t *scale;
    // Nonzero where a shift may be any.
    uint32_t any_shift;
    // Rows in the ring, as many as the kernel spans, and bytes in one.
    uint32_t rows, row_bytes;
    uint8_t *ring;
    // Bytes from where a pixel stands to each of its taps, an even number.
    uint32_t *taps;
    uint32_t pairs;
} block;

// Puts input row `y` with its padding into the ring.
static void copy_row(const block *b, const uint8_t *in, int32_t y)
{
    const tk_depthwise_params *p = b->p;
    const uint32_t pixel = (uint32_t)tk_pixel_bytes(p->in_channels, p->in_bits);
    uint8_t *row = b->ring + (uint32_t)(y + p->pad_top) % b->rows * b->row_bytes;
    const int32_t blank = p->in_zero_point + tk_unpack_offset(p->in_bits);
    if (y < 0 || y >= p->in_height) {
        memset(row, blank, b->row_bytes);
        return;
    }
    const uint32_t left = 16u * p->pad_left, inside = 16u * p->in_width;
    memset(row, blank, left);
    tk_copy_lanes(&b->lanes, in + (uint32_t)y * p->in_width * pixel, p->in_width, pixel,
                  row + left);
    memset(row + left + inside, blank, b->row_bytes - left - inside);
}

// Notes where the taps lie for an output row whose first input row is `y`.
static void place_taps(const block *b, int32_t y)
{
    const tk_depthwise_params *p = b->p;
    uint32_t *tap = b->taps;
    for (uint32_t row = 0; row < p->kernel_height; ++row, y += p->dilation_height) {
        uint32_t at = (uint32_t)(y + p->pad_top) % b->rows * b->row_bytes;
        for (uint32_t col = 0; col < p->kernel_width; ++col, at += 16u * p->dilation_width) {
            *tap++ = at;
        }
    }
    // The zero tap, if there is one.
    if (tap != b->taps + 2 * b->pairs) {
        *tap = 0;
    }
}

#if defined(__ARM_FEATURE_MVE)

// Adds all taps of the even (or the odd) channels of a pixel, whose sums come in two vectors. Even
// and odd ones go separately, for all sums at once and what they are made of need more registers
// than there are.
TK_INLINE void add_taps(const block *b, const uint8_t *at, uint32_t odd, int32x4_t sum[2])
{
    const int8_t *w = b->weights;
    const uint32_t *tap = b->taps;
    for (uint32_t pairs = b->pairs; pairs != 0; --pairs, tap += 2, w += 32) {
        const int8x16_t x0 = vldrbq_s8((const int8_t *)at + tap[0]), w0 = vldrbq_s8(w);
        const int8x16_t x1 = vldrbq_s8((const int8_t *)at + tap[1]), w1 = vldrbq_s8(w + 16);
        const int16x8_t both = odd ? vaddq_s16(vmulltq_int_s8(x0, w0), vmulltq_int_s8(x1, w1))
                                   : vaddq_s16(vmullbq_int_s8(x0, w0), vmullbq_int_s8(x1, w1));
        sum[0] = vaddq_s32(sum[0], vmovlbq_s16(both));
        sum[1] = vaddq_s32(sum[1], vmovltq_s16(both));
    }
}

// Scales four sums; `scale` is at their biases.
TK_INLINE int32x4_t scale_lanes(int32x4_t sum, const int32_t *scale, tk_rounding rounding)
{
    return tk_scale_each(sum, vld1q_s32(scale + 4), vld1q_s32(scale + 8), rounding);
}

// One row of output.
static void convolve(const block *b, uint8_t *out)
{
    const tk_depthwise_params *p = b->p;
    const tk_rounding rounding = tk_rounding_of(&p->output, b->any_shift);
    const uint32_t out_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    const tk_limits limits = tk_limits_of(&p->output);
    const int32_t *scale = b->scale;
    const uint8_t *at = b->ring;
    for (uint32_t left = p->out_width; left != 0; --left, out += out_bytes) {
        // Of channels 4 i and 4 i + 2, and of 4 i + 1 and 4 i + 3.
        int32x4_t even[2] = {vld1q_s32(scale), vld1q_s32(scale + 24)};
        int32x4_t odd[2] = {vld1q_s32(scale + 12), vld1q_s32(scale + 36)};
        add_taps(b, at, 0, even);
        even[0] = scale_lanes(even[0], scale, rounding);
        even[1] = scale_lanes(even[1], scale + 24, rounding);
        add_taps(b, at, 1, odd);
        odd[0] = scale_lanes(odd[0], scale + 12, rounding);
        odd[1] = scale_lanes(odd[1], scale + 36, rounding);
        tk_store16(&p->output, tk_narrow(limits, even[0], odd[0], even[1], odd[1]), b->lanes.count,
                   out);
        at += 16u * p->stride_width;
    }
}

#else

static int32_t sum_at(const block *b, const uint8_t *at, uint32_t lane, int32_t sum)
{
    for (uint32_t i = 0; i < 2 * b->pairs; ++i) {
        sum += (int8_t)at[b->taps[i] + lane] * b->weights[16 * i + lane];
    }
    return sum;
}

static void convolve(const block *b, uint8_t *out)
{
    const tk_depthwise_params *p = b->p;
    const uint8_t *at = b->ring;
    for (uint32_t x = 0; x < p->out_width; ++x, at += 16u * p->stride_width) {
        for (uint32_t i = 0; i < b->lanes.count; ++i) {
            const int32_t *scale = b->scale + (i & 3u) * 12u + (i >> 2);
            tk_finish_one(&p->output, sum_at(b, at, i, scale[0]), scale[4], scale[8], i, out);
        }
        out += tk_pixel_bytes(p->channels, p->output.bits);
    }
}

#endif

// All rows of a block.
static void convolve_block(const block *b, const uint8_t *in, uint8_t *out)
{
    const tk_depthwise_params *p = b->p;
    const uint32_t out_row = p->out_width * (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    int32_t first = -p->pad_top, next = first;
    for (uint32_t y = 0; y < p->out_height; ++y, first += p->stride_height, out += out_row) {
        next = next < first ? first : next;
        for (; next < first + (int32_t)b->rows; ++next) {
            copy_row(b, in, next);
        }
        place_taps(b, first);
        convolve(b, out);
    }
}

tk_status tk_mve_depthwise(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width;
    const uint32_t *stream = p->stream + 1;
    block b = {.p = p, .any_shift = p->stream[0], .pairs = (taps + 1u) / 2u, .taps = scratch};
    b.rows = (p->kernel_height - 1u) * p->dilation_height + 1u;
    b.row_bytes = 16u * p->plane_width;
    b.ring = (uint8_t *)(b.taps + 2 * b.pairs);
    for (uint32_t c = 0; c < p->channels; c += 16) {
        b.weights = (const int8_t *)stream;
        b.scale = (const int32_t *)(stream + 8 * b.pairs);
        b.lanes = tk_lanes_of(p->in_bits, p->channels / p->in_channels, c, p->channels - c);
        convolve_block(&b, in, (uint8_t *)out + c * p->output.bits / 8u);
        stream += 8 * b.pairs + SCALE_WORDS;
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_mve_depthwise, layer->in[0], layer->out, layer->scratch)
