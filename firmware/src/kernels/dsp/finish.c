// SPDX-License-Identifier: Apache-2.0
#include "finish.h"

// Shifts below 2.
static void finish_coarse(const tk_target *t, int32_t multiplier, int32_t shift, int32_t *sum)
{
    uint8_t *out = t->out;
    for (uint32_t i = 0; i < t->pixels; ++i, out += t->stride) {
        tk_put_at(t, out, tk_requantize_one(t->q, sum[i] / TK_SUM_UNIT, multiplier, shift));
    }
}

void tk_dsp_finish(const tk_target *t, const uint32_t scale[2], int32_t *sum)
{
    const int32_t multiplier = (int32_t)scale[0], power = (int32_t)scale[1];
    uint8_t *out = t->out;
    if (power <= 0) {
        finish_coarse(t, multiplier, power + 64, sum);
        return;
    }
    for (uint32_t i = 0; i < t->pixels; ++i, out += t->stride) {
        tk_scale_sums(multiplier, power, t->q->zero_point, 1, &sum[i]);
        tk_put_at(t, out, tk_clamp(t->q, sum[i]));
    }
}

// The most common narrow outputs: the width is the clamp, and no byte holds input any more, so the
// first channel of a byte sets it and the others add to it.
TK_INLINE void finish_narrow(const tk_target *t, const uint32_t scale[2], uint32_t bits,
                             int32_t *sum)
{
    const int32_t multiplier = (int32_t)scale[0], power = (int32_t)scale[1];
    const int32_t zero_point = t->q->zero_point;
    const uint32_t stride = t->stride, shift = t->shift, mask = (1u << bits) - 1u;
    uint8_t *out = t->out;
    for (const int32_t *end = sum + t->pixels; sum != end; ++sum, out += stride) {
        tk_scale_sums(multiplier, power, zero_point, 1, sum);
        const uint32_t field = (uint32_t)(bits == 4 ? tk_ssat4(*sum) : tk_ssat2(*sum)) & mask;
        *out = (uint8_t)(shift == 0 ? field : *out | field << shift);
    }
}

void tk_dsp_finish_channel(const tk_matmul *m, uint8_t *out, uint32_t c, uint32_t pixels,
                           const uint32_t scale[2], int32_t *sum)
{
    const tk_output *q = &m->output;
    tk_target t = tk_aim(q, out, (uint32_t)tk_pixel_bytes(m->channels, q->bits), c, 0);
    t.pixels = pixels;
    const int full = q->high - q->low == (1 << q->bits) - 1 && (int32_t)scale[1] > 0;
    if (full && q->bits == 4) {
        finish_narrow(&t, scale, 4, sum);
    } else if (full && q->bits == 2) {
        finish_narrow(&t, scale, 2, sum);
    } else {
        tk_dsp_finish(&t, scale, sum);
    }
}
