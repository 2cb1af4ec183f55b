// SPDX-License-Identifier: Apache-2.0
#include "finish.h"

void tk_dsp_finish(const tk_target *t, const uint32_t scale[2], int32_t *sum)
{
    uint8_t *out = t->out;
    for (uint32_t i = 0; i < t->pixels; ++i, out += t->stride) {
        tk_scale_any(scale, t->q->zero_point, 1, &sum[i]);
        tk_put_at(t, out, tk_clamp(t->q, sum[i]));
    }
}

void tk_dsp_finish_channel(const tk_matmul *m, uint8_t *out, uint32_t c, uint32_t pixels,
                           const uint32_t scale[2], int32_t *sum)
{
    const uint32_t stride = (uint32_t)tk_pixel_bytes(m->channels, m->output.bits);
    tk_target t = tk_aim(&m->output, out, stride, c, 0);
    t.pixels = pixels;
    tk_dsp_finish(&t, scale, sum);
}
