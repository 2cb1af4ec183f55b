// SPDX-License-Identifier: Apache-2.0
// Four outputs at once: a word is taken apart into two pairs of bytes 16 bits apart, which leaves
// room for sums.
#include "mean_body.h"
#include "tinykit/simd.h"

// Values, without their sign, whose sum has at most 16 bits.
#define MOST_AT_ONCE 257u

// Adds up `taps` words, at most MOST_AT_ONCE.
static const uint8_t *sum_words(const uint8_t *tap, uint32_t step, uint32_t taps, int32_t *sum)
{
    const int32_t offset = (int32_t)(taps << 7);
    uint32_t even = 0, odd = 0;
    for (uint32_t n = taps; n != 0; --n, tap += step) {
        const uint32_t word = tk_load32_aligned(tap) ^ 0x80808080u;
        even += word & 0x00FF00FFu;
        odd += word >> 8 & 0x00FF00FFu;
    }
    sum[0] += (int32_t)(even & 0xFFFFu) - offset;
    sum[1] += (int32_t)(odd & 0xFFFFu) - offset;
    sum[2] += (int32_t)(even >> 16) - offset;
    sum[3] += (int32_t)(odd >> 16) - offset;
    return tap;
}

static void mean_word(const tk_mean_params *p, const uint8_t *tap, int8_t *out)
{
    int32_t sum[4] = {0, 0, 0, 0};
    for (uint32_t left = p->taps, taps; left != 0; left -= taps) {
        taps = left < MOST_AT_ONCE ? left : MOST_AT_ONCE;
        tap = sum_words(tap, p->tap_step, taps, sum);
    }
    for (uint32_t i = 0; i < 4; ++i) {
        out[i] = (int8_t)mean_of(p, sum[i]);
    }
}

tk_status tk_mean_words(const tk_mean_params *p, const void *in, void *out)
{
    const uint8_t *group = in;
    int8_t *to = out;
    for (uint32_t i = p->groups; i != 0; --i, group += p->group_step) {
        for (uint32_t at = 0; at < p->outputs; at += 4, to += 4) {
            mean_word(p, group + at, to);
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_mean_words, layer->in[0], layer->out)
