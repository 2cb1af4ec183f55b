// SPDX-License-Identifier: Apache-2.0
#include "finish.h"

static void scale(const tk_target *t, int32_t multiplier, int32_t power, int32_t *sum)
{
    for (uint32_t i = 0; i < t->pixels; ++i) {
        if (power > 0) {
            tk_scale_sums(multiplier, power, t->q->zero_point, 1, &sum[i]);
            sum[i] = tk_clamp(t->q, sum[i]);
        } else {
            sum[i] = tk_requantize_one(t->q, sum[i] / TK_SUM_UNIT, multiplier, power + 64);
        }
    }
}

void tk_dsp_finish(const tk_target *t, int32_t multiplier, int32_t power, int32_t *sum)
{
    uint8_t *out = t->out;
    scale(t, multiplier, power, sum);
    for (uint32_t i = 0; i < t->pixels; ++i, out += t->stride) {
        tk_put(out, t->c, t->q->bits, sum[i]);
    }
}
