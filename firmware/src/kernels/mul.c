// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mul.h"

#include "broadcast_body.h"
#include "product.h"

// `steep`, a constant: the factor is one half or more.
TK_INLINE int32_t multiply(const tk_mul_params *k, int32_t a, int32_t b, int steep)
{
    const int32_t product = (a - k->zero_point_a) * b;
    const int32_t value =
        steep ? tk_scale_any(&k->scale, product) : tk_scale_flat(&k->scale, product);
    return tk_clamp_above(value, k->low, k->range);
}

TK_INLINE void multiply_both(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                             uint32_t n, int steep)
{
    // A copy, for the compiler cannot know that no output overwrites the constants.
    const tk_mul_params k = *(const tk_mul_params *)params;
    for (; n != 0; --n) {
        *out++ = (int8_t)multiply(&k, *a++, *b++ - k.zero_point_b, steep);
    }
}

TK_INLINE void multiply_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                             uint32_t n, int steep)
{
    const tk_mul_params k = *(const tk_mul_params *)params;
    const int32_t factor = *b - k.zero_point_b;
    for (; n != 0; --n) {
        *out++ = (int8_t)multiply(&k, *a++, factor, steep);
    }
}

static void flat_both(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    multiply_both(params, a, b, out, n, 0);
}

static void flat_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    multiply_same(params, a, b, out, n, 0);
}

static void steep_both(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                       uint32_t n)
{
    multiply_both(params, a, b, out, n, 1);
}

static void steep_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                       uint32_t n)
{
    multiply_same(params, a, b, out, n, 1);
}

tk_status tk_mul(const tk_mul_params *p, const void *a, const void *b, void *out)
{
    for_each_row(&p->shape, p, flat_both, flat_same, a, b, out);
    return TK_OK;
}

tk_status tk_mul_steep(const tk_mul_params *p, const void *a, const void *b, void *out)
{
    for_each_row(&p->shape, p, steep_both, steep_same, a, b, out);
    return TK_OK;
}

TK_LAYER_RUN(tk_mul, layer->in[0], layer->in[1], layer->out)

TK_LAYER_RUN(tk_mul_steep, layer->in[0], layer->in[1], layer->out)
