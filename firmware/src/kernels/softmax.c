// SPDX-License-Identifier: Apache-2.0
// Fixed point throughout: exponentials in units of 2^-31, their sum in units of 2^-19. The
// reciprocal of d in [1/2, 1) is found by Newton and Raphson from the best line, (48 - 32 d) / 17.
#include "tinykit/softmax.h"

#include "tinykit/inline.h"

#define SUM_SHIFT 12
// 48 / 17 and 32 / 17, and 1, in units of 2^-29.
#define LINE_START 1515870810
#define LINE_SLOPE 1010580540
#define ONE (1 << 29)

// round(a * b / 2^31), halves up.
TK_INLINE int32_t multiply_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1LL << 30)) >> 31);
}

// 1 / d in units of 2^-30, for d in units of 2^-31, from 1/2 up to but not including 1; where that
// is 2, a little less.
static int32_t reciprocal(int32_t d)
{
    int32_t x = LINE_START + multiply_high(d, -LINE_SLOPE);
    for (int step = 0; step < 3; ++step) {
        const int32_t error = ONE - multiply_high(d, x);
        x += multiply_high(x, error) * 4;
    }
    return x < 1 << 30 ? x * 2 : INT32_MAX;
}

static int32_t greatest(const int8_t *in, uint32_t channels)
{
    int32_t most = INT8_MIN;
    for (uint32_t i = 0; i < channels; ++i) {
        most = in[i] > most ? in[i] : most;
    }
    return most;
}

// The sum of all exponentials of a pixel; at least 2^19.
static uint32_t sum_of(const tk_softmax_params *p, const int8_t *in, int32_t most)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < p->channels; ++i) {
        const uint32_t distance = (uint32_t)(most - in[i]);
        if (distance < p->distances) {
            const uint32_t power = (uint32_t)p->exponentials[distance];
            sum += (power + (1u << (SUM_SHIFT - 1))) >> SUM_SHIFT;
        }
    }
    return sum;
}

static void softmax_pixel(const tk_softmax_params *p, const int8_t *in, int8_t *out)
{
    const int32_t most = greatest(in, p->channels);
    uint32_t sum = sum_of(p, in, most);
    uint32_t shift = SUM_SHIFT + 31 - 8;
    for (; sum < 1u << 31; sum <<= 1) {
        --shift;
    }
    const int32_t factor = reciprocal((int32_t)(sum >> 1));
    for (uint32_t i = 0; i < p->channels; ++i) {
        const uint32_t distance = (uint32_t)(most - in[i]);
        uint32_t value = 0;
        // Beyond 31 bits nothing is left.
        if (distance < p->distances && shift < 32) {
            value = (uint32_t)multiply_high(factor, p->exponentials[distance]);
            value = (value + (1u << (shift - 1u))) >> shift;
        }
        out[i] = (int8_t)((int32_t)(value < 255u ? value : 255u) - 128);
    }
}

tk_status tk_softmax(const tk_softmax_params *p, const void *in, void *out)
{
    const int8_t *from = in;
    int8_t *to = out;
    for (uint32_t n = p->pixels; n != 0; --n, from += p->channels, to += p->channels) {
        softmax_pixel(p, from, to);
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_softmax, layer->in[0], layer->out)
