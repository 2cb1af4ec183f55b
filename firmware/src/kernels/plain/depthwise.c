// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution for cores without SIMD, one channel at a time.
//
// A channel's pixels lie far apart in memory. Copied to a plane of bytes, they are neighbours, and
// borders need no care, for the padding is copied too. The 3x3 kernel then walks down each column
// of the output with its taps in registers: of each row of the plane it loads three values, and
// adds them to the three sums that they belong to.
#include "tinykit/depthwise.h"

#include <string.h>

#include "scale.h"
#include "tinykit/packing.h"

// How a value enters its byte: what it keeps of the byte, its own bits, and where they go.
typedef struct {
    uint32_t keep, mask, shift;
} place;

typedef struct {
    const tk_depthwise_params *p;
    // 8-bit values signed, others with their offset, so that both are signed bytes.
    int8_t *plane;
    // Room for the taps of a channel.
    int8_t *unpacked;
    // Of the channel at hand.
    const int8_t *taps;
    int32_t bias;
    tk_plain_scale scale;
    // Bytes from one output pixel to the next, and from one row to the next.
    uint32_t out_bytes, out_row;
    place put;
} channel;

// Moves on by `step`. The compiler must not see through it: it would keep a pointer for each place
// in a loop, and has no registers for them.
#define MOVE(pointer, step)                                                                        \
    do {                                                                                           \
        (pointer) += (step);                                                                       \
        __asm__("" : "+r"(pointer));                                                               \
    } while (0)

// Copies input channel `c`, of 8 bits, column after column, as columns are often longer than rows.
static void copy_channel8(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t from_row = (uint32_t)p->in_channels * p->in_width, to_row = p->plane_width;
    const int8_t *top = (const int8_t *)in + c;
    int8_t *to_top = k->plane + (uint32_t)p->pad_top * to_row + p->pad_left;
    for (uint32_t col = p->in_width; col != 0; --col, top += p->in_channels) {
        const int8_t *from = top;
        int8_t *to = to_top++;
        uint32_t left = p->in_height;
#define COPY                                                                                       \
    *to = *from;                                                                                   \
    MOVE(from, from_row);                                                                          \
    MOVE(to, to_row);
        for (; left >= 4; left -= 4) {
            COPY COPY COPY COPY
        }
        for (; left != 0; --left) {
            COPY
        }
    }
}

// Copies input channel `c`, of 4 or 2 bits.
static void copy_channel(const channel *k, const uint8_t *in, uint32_t c)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t bits = p->in_bits, shift = c * bits & 7u;
    const uint32_t mask = bits == 4 ? 15u : 3u, flip = bits == 4 ? 8u : 2u;
    const uint32_t step = (uint32_t)tk_pixel_bytes(p->in_channels, bits);
    const uint8_t *from = in + c * bits / 8u;
    int8_t *line = k->plane + (uint32_t)p->pad_top * p->plane_width + p->pad_left;
    for (uint32_t row = p->in_height; row != 0; --row, line += p->plane_width) {
        int8_t *to = line, *end = to + p->in_width;
        for (; to != end; ++to, from += step) {
            *to = (int8_t)((((uint32_t)*from >> shift) & mask) ^ flip);
        }
    }
}

// Reads what the stream says of one channel; returns what follows.
static const uint32_t *read_channel(channel *k, const uint32_t *stream)
{
    const tk_depthwise_params *p = k->p;
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width;
    const uint8_t *packed = (const uint8_t *)(stream + 3);
    k->bias = (int32_t)stream[0];
    k->scale = tk_plain_scale_of(&p->output, (int32_t)stream[1], (int32_t)stream[2]);
    k->taps = (const int8_t *)packed;
    if (p->weight_bits != 8) {
        for (uint32_t i = 0; i < taps; ++i) {
            k->unpacked[i] = (int8_t)tk_get(packed, i, p->weight_bits);
        }
        k->taps = k->unpacked;
    }
    return stream + 3 + (taps * p->weight_bits + 31u) / 32u;
}

// What becomes of the sums of a channel; a copy of which the compiler sees that nothing changes it.
typedef struct {
    tk_output q;
    tk_plain_scale scale;
    place put;
    // The output has 8 bits, the scaling is short, and its short cuts hold.
    int fast;
} ending;

static ending ending_of(const channel *k)
{
    ending e = {k->p->output, k->scale, k->put, 0};
    e.fast = e.q.bits == 8 && tk_plain_short(e.scale.power) && tk_plain_is_fast(&e.q);
    return e;
}

TK_INLINE void place_value(const place *put, int32_t value, uint8_t *out)
{
    *out = (uint8_t)((*out & put->keep) | ((uint32_t)value & put->mask) << put->shift);
}

// Scales a sum the long way.
static __attribute__((noinline)) void put_long(const channel *k, int32_t sum, uint8_t *out)
{
    place_value(&k->put, tk_plain_scale_one(&k->p->output, &k->scale, sum), out);
}

// Scales a sum and puts it where it belongs; `fast` may be set where e->fast is.
TK_INLINE void put(const channel *k, const ending *e, int fast, int32_t sum, uint8_t *out)
{
    if (fast) {
        *out = (uint8_t)tk_plain_clamp(&e->q, 1, tk_plain_round(&e->scale, sum, 1));
    } else if (tk_plain_short(e->scale.power)) {
        place_value(&e->put, tk_clamp(&e->q, tk_plain_round(&e->scale, sum, 0)), out);
    } else {
        put_long(k, sum, out);
    }
}

// Outputs that convolve_any() computes at once.
#define OUTPUTS 4

// Any kernel: a tap is multiplied with what OUTPUTS pixels see.
TK_INLINE void add_taps(const channel *k, const int8_t *const x[OUTPUTS], int32_t sum[OUTPUTS])
{
    const tk_depthwise_params *p = k->p;
    const uint32_t step = p->dilation_width, width = p->kernel_width;
    const uint32_t down = (uint32_t)p->dilation_height * p->plane_width - width * step;
    const int8_t *tap = k->taps, *end = tap + p->kernel_height * width;
    const int8_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    int32_t sum0 = k->bias, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    do {
        const int8_t *last = tap + width;
        do {
            const int32_t w = *tap++;
#define ADD_TAP(i)                                                                                 \
    tk_plain_mac(&sum##i, *x##i, w);                                                               \
    MOVE(x##i, step);
            ADD_TAP(0) ADD_TAP(1) ADD_TAP(2) ADD_TAP(3)
        } while (tap != last);
        x0 += down;
        x1 += down;
        x2 += down;
        x3 += down;
    } while (tap != end);
    sum[0] = sum0;
    sum[1] = sum1;
    sum[2] = sum2;
    sum[3] = sum3;
}

// `count` outputs, at most OUTPUTS; where there are fewer, the last is repeated.
static void convolve_some(const channel *k, const ending *e, const int8_t *x, uint32_t x_step,
                          uint32_t count, uint8_t *out, uint32_t out_step)
{
    const int8_t *at[OUTPUTS];
    int32_t sum[OUTPUTS];
    for (uint32_t i = 0; i < OUTPUTS; ++i) {
        at[i] = x;
        x += i + 1 < count ? x_step : 0;
    }
    add_taps(k, at, sum);
    for (uint32_t i = 0; i < count; ++i, out += out_step) {
        put(k, e, 0, sum[i], out);
    }
}

// Outputs go in groups along the longer axis.
static void convolve_any(const channel *k, uint8_t *out)
{
    const tk_depthwise_params *p = k->p;
    const int tall = p->out_height > p->out_width;
    const uint32_t row = (uint32_t)p->stride_height * p->plane_width, col = p->stride_width;
    const uint32_t x_step = tall ? row : col, x_next = tall ? col : row;
    const uint32_t out_step = tall ? k->out_row : k->out_bytes;
    const uint32_t out_next = tall ? k->out_bytes : k->out_row;
    const uint32_t along = tall ? p->out_height : p->out_width;
    const ending e = ending_of(k);
    const int8_t *x = k->plane;
    for (uint32_t i = tall ? p->out_width : p->out_height; i != 0; --i) {
        for (uint32_t at = 0; at < along; at += OUTPUTS) {
            const uint32_t left = along - at;
            convolve_some(k, &e, x + at * x_step, x_step, left < OUTPUTS ? left : OUTPUTS,
                          out + at * out_step, out_step);
        }
        x += x_next;
        out += out_next;
    }
}

// A kernel row of a row of the plane.
TK_INLINE int32_t row_of(const int8_t *x, const int32_t w[3], int32_t sum)
{
    sum += x[0] * w[0];
    tk_plain_mac(&sum, x[1], w[1]);
    tk_plain_mac(&sum, x[2], w[2]);
    return sum;
}

// Adds a row of the plane to the sum for which it is the last, and to the one for which it is the
// middle row; returns the sum for which it is the first.
TK_INLINE int32_t add_row(const int8_t *x, const int32_t w[9], int32_t bias, int32_t *last,
                          int32_t *middle)
{
    const int32_t x0 = x[0], x1 = x[1], x2 = x[2];
    int32_t first = bias + x0 * w[0];
    tk_plain_mac(&first, x1, w[1]);
    tk_plain_mac(&first, x2, w[2]);
    tk_plain_mac(middle, x0, w[3]);
    tk_plain_mac(middle, x1, w[4]);
    tk_plain_mac(middle, x2, w[5]);
    tk_plain_mac(last, x0, w[6]);
    tk_plain_mac(last, x1, w[7]);
    tk_plain_mac(last, x2, w[8]);
    return first;
}

// One column of outputs, from `x` down. The three sums take turns.
TK_INLINE void walk_down(const channel *k, const ending *e, const int32_t w[9], int fast,
                         const int8_t *x, uint8_t *out)
{
    const uint32_t row = k->p->plane_width, step = k->out_row;
    const int32_t bias = k->bias;
    const uint8_t *end = out + k->p->out_height * step;
    int32_t a = row_of(x, w, bias), b, c;
    MOVE(x, row);
    a = row_of(x, w + 3, a);
    b = row_of(x, w, bias);
#define TURN(last, middle, first)                                                                  \
    MOVE(x, row);                                                                                  \
    first = add_row(x, w, bias, &last, &middle);                                                   \
    put(k, e, fast, last, out);                                                                    \
    MOVE(out, step);                                                                               \
    if (out == end) {                                                                              \
        return;                                                                                    \
    }
    for (;;) {
        TURN(a, b, c)
        if (fast) {
            TURN(b, c, a)
            TURN(c, a, b)
        } else {
            a = b;
            b = c;
        }
    }
}

// The same where outputs are two rows apart.
TK_INLINE void walk_down_by_two(const channel *k, const ending *e, const int32_t w[9], int fast,
                                const int8_t *x, uint8_t *out)
{
    const uint32_t row = k->p->plane_width, step = k->out_row;
    const int32_t bias = k->bias;
    const uint8_t *end = out + k->p->out_height * step;
    int32_t sum = row_of(x, w, bias);
    do {
        MOVE(x, row);
        sum = row_of(x, w + 3, sum);
        MOVE(x, row);
        const int32_t next = row_of(x, w, bias);
        put(k, e, fast, row_of(x, w + 6, sum), out);
        sum = next;
        MOVE(out, step);
    } while (out != end);
}

static __attribute__((noinline)) void convolve_3x3(const channel *k, uint8_t *out)
{
    const tk_depthwise_params *p = k->p;
    const ending e = ending_of(k);
    const int8_t *t = k->taps, *x = k->plane;
    const int32_t w[9] = {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8]};
    for (uint32_t col = p->out_width; col != 0; --col, x += p->stride_width, out += k->out_bytes) {
        if (p->stride_height == 2) {
            if (e.fast) {
                walk_down_by_two(k, &e, w, 1, x, out);
            } else {
                walk_down_by_two(k, &e, w, 0, x, out);
            }
        } else if (e.fast) {
            walk_down(k, &e, w, 1, x, out);
        } else {
            walk_down(k, &e, w, 0, x, out);
        }
    }
}

static int is_3x3(const tk_depthwise_params *p)
{
    return p->kernel_height == 3 && p->kernel_width == 3 && p->dilation_height == 1 &&
           p->dilation_width == 1 && p->stride_height <= 2;
}

// Notes where values of output channel `c` go; returns the byte of the first. What follows a
// channel in its byte is cleared by the first channel of the byte, unless it is still input that
// lies there.
static uint8_t *place_channel(channel *k, uint32_t c, int in_place, uint8_t *out)
{
    const uint32_t bits = k->p->output.bits;
    const uint32_t shift = c * bits & 7u, mask = (1u << bits) - 1u;
    k->put = (place){in_place ? ~(mask << shift) : (1u << shift) - 1u, mask, shift};
    return out + c * bits / 8u;
}

tk_status tk_plain_depthwise(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    const uint32_t multiplier = p->channels / p->in_channels;
    const uint32_t plane = (uint32_t)p->plane_height * p->plane_width;
    const uint32_t *stream = p->stream;
    channel k = {.p = p, .plane = scratch};
    k.unpacked = k.plane + ((plane + 3u) & ~3u);
    k.out_bytes = (uint32_t)tk_pixel_bytes(p->channels, p->output.bits);
    k.out_row = k.out_bytes * p->out_width;
    memset(k.plane, p->in_zero_point + tk_unpack_offset(p->in_bits), plane);
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
        uint8_t *first = place_channel(&k, c, in == out, out);
        if (is_3x3(p)) {
            convolve_3x3(&k, first);
        } else {
            convolve_any(&k, first);
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_plain_depthwise, layer->in[0], layer->out, layer->scratch)
