// SPDX-License-Identifier: Apache-2.0
#include "tinykit/prelu.h"

#include "broadcast_body.h"
#include "product.h"

TK_INLINE void prelu_row(const tk_prelu_params *params, const int8_t *a, const int8_t *b,
                         uint32_t step, int8_t *out, uint32_t n)
{
    // A copy, for the compiler cannot know that no output overwrites the constants.
    const tk_prelu_params k = *params;
    for (; n != 0; --n, b += step) {
        const int32_t x = *a++ - k.zero_point_a;
        const int32_t value = x >= 0 ? tk_scale_any(&k.positive, x)
                                     : tk_scale_any(&k.negative, x * (*b - k.zero_point_b));
        *out++ = (int8_t)tk_clamp_above(value, k.low, k.range);
    }
}

static void prelu_any(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    const tk_prelu_params *p = params;
    prelu_row(p, a, b, p->shape.value_step, out, n);
}

tk_status tk_prelu(const tk_prelu_params *p, const void *a, const void *b, void *out)
{
    for_each_row(&p->shape, p, prelu_any, prelu_any, a, b, out);
    return TK_OK;
}

TK_LAYER_RUN(tk_prelu, layer->in[0], layer->in[1], layer->out)
