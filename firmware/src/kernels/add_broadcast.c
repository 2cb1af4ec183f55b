// SPDX-License-Identifier: Apache-2.0
#include "broadcast_body.h"
#include "tinykit/add.h"

// `other` is a product of the second input, ready.
TK_INLINE int8_t add_one(const tk_add_broadcast_params *k, int32_t a, uint32_t other)
{
    // The whole form never leaves 32 bits, though a part of it may: parts wrap.
    int32_t value = (int32_t)((uint32_t)(a * k->factor_a) + other) >> k->shift;
    if ((uint32_t)value > k->range) {
        value = value < 0 ? 0 : k->range;
    }
    // The compiler would cut it to a byte on every path, which storing it does for nothing.
    __asm__("" : "+r"(value));
    return (int8_t)(value + k->low);
}

TK_INLINE uint32_t product(const tk_add_broadcast_params *k, int32_t b)
{
    return (uint32_t)(b * k->factor_b) + (uint32_t)k->offset;
}

static void add_both(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    // A copy, for the compiler cannot know that no output overwrites the constants.
    const tk_add_broadcast_params k = *(const tk_add_broadcast_params *)params;
    for (; n >= 4; n -= 4) {
        out[0] = add_one(&k, a[0], product(&k, b[0]));
        out[1] = add_one(&k, a[1], product(&k, b[1]));
        out[2] = add_one(&k, a[2], product(&k, b[2]));
        out[3] = add_one(&k, a[3], product(&k, b[3]));
        a += 4, b += 4, out += 4;
    }
    for (; n != 0; --n) {
        *out++ = add_one(&k, *a++, product(&k, *b++));
    }
}

static void add_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    const tk_add_broadcast_params k = *(const tk_add_broadcast_params *)params;
    const uint32_t other = product(&k, *b);
    for (; n >= 4; n -= 4) {
        out[0] = add_one(&k, a[0], other);
        out[1] = add_one(&k, a[1], other);
        out[2] = add_one(&k, a[2], other);
        out[3] = add_one(&k, a[3], other);
        a += 4, out += 4;
    }
    for (; n != 0; --n) {
        *out++ = add_one(&k, *a++, other);
    }
}

tk_status tk_add_broadcast(const tk_add_broadcast_params *p, const void *a, const void *b,
                           void *out)
{
    for_each_row(&p->shape, p, add_both, add_same, a, b, out);
    return TK_OK;
}

TK_LAYER_RUN(tk_add_broadcast, layer->in[0], layer->in[1], layer->out)
