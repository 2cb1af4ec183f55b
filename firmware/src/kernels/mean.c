// SPDX-License-Identifier: Apache-2.0
#include "mean_body.h"

static int32_t sum_of(const tk_mean_params *p, const int8_t *first)
{
    int32_t sum = 0;
    for (uint32_t line = p->lines; line != 0; --line, first += p->line_step) {
        const int8_t *tap = first;
        const uint32_t step = p->tap_step;
        uint32_t n = p->taps;
        for (; n >= 4; n -= 4, tap += 4 * step) {
            sum += tap[0] + tap[step] + tap[2 * step] + tap[3 * step];
        }
        for (; n != 0; --n, tap += step) {
            sum += *tap;
        }
    }
    return sum;
}

tk_status tk_mean(const tk_mean_params *p, const void *in, void *out)
{
    const int8_t *group = in;
    int8_t *to = out;
    for (uint32_t i = p->groups; i != 0; --i, group += p->group_step) {
        const int8_t *first = group;
        for (uint32_t n = p->outputs; n != 0; --n, first += p->output_step) {
            *to++ = (int8_t)mean_of(p, sum_of(p, first));
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_mean, layer->in[0], layer->out)
