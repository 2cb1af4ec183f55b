// SPDX-License-Identifier: Apache-2.0
#include "broadcast_body.h"
#include "tinykit/add.h"

// A product of the second input, ready.
TK_INLINE int8_t add_one(const tk_add_broadcast_params *k, int32_t a, uint32_t other)
{
    // The whole form never leaves 32 bits, though a part of it may: parts wrap.
    int32_t value = (int32_t)((uint32_t)(a * k->factor_a) + other) >> k->shift;
    if ((uint32_t)value > k->range) {
        value = value < 0 ? 0 : k->range;
    }
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
#pragma GCC unroll 4
    for (; n != 0; --n) {
        *out++ = add_one(&k, *a++, product(&k, *b++));
    }
}

static void add_same(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    const tk_add_broadcast_params k = *(const tk_add_broadcast_params *)params;
    const uint32_t other = product(&k, *b);
#pragma GCC unroll 4
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
