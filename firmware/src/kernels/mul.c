// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mul.h"

#include "broadcast_body.h"
#include "product.h"

TK_INLINE int8_t multiply(const tk_mul_params *k, int32_t a, int32_t b)
{
    const int32_t product = (a - k->zero_point_a) * b;
    return (int8_t)(tk_scale_product(&k->scale, product, k->range) + k->low);
}

static void multiply_both(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                          uint32_t n)
{
    // A copy, for the compiler cannot know that no output overwrites the constants.
    const tk_mul_params k = *(const tk_mul_params *)params;
    for (; n != 0; --n) {
        *out++ = multiply(&k, *a++, *b++ - k.zero_point_b);
    }
}

static void multiply_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                          uint32_t n)
{
    const tk_mul_params k = *(const tk_mul_params *)params;
    const int32_t factor = *b - k.zero_point_b;
    for (; n != 0; --n) {
        *out++ = multiply(&k, *a++, factor);
    }
}

tk_status tk_mul(const tk_mul_params *p, const void *a, const void *b, void *out)
{
    for_each_row(&p->shape, p, multiply_both, multiply_same, a, b, out);
    return TK_OK;
}
