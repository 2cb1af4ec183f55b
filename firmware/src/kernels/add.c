// SPDX-License-Identifier: Apache-2.0
#include "tinykit/add.h"

// The whole form never leaves 32 bits, though a part of it may: parts wrap.
static inline __attribute__((always_inline)) uint8_t add_one(const tk_add_params *p, int32_t a,
                                                             int32_t b)
{
    const uint32_t sum =
        (uint32_t)(a * p->factor_a) + (uint32_t)(b * p->factor_b) + (uint32_t)p->offset;
    int32_t value = (int32_t)sum >> p->shift;
    if ((uint32_t)value > p->range) {
        value = value < 0 ? 0 : p->range;
    }
    return (uint8_t)(value + p->low);
}

// Without SIMD a byte loads as quickly as it is cut from a word.
tk_status tk_add(const tk_add_params *p, const void *a, const void *b, void *out)
{
    // A copy, for the compiler cannot know that no output overwrites the constants.
    const tk_add_params k = *p;
    const int8_t *left = a, *right = b;
    uint8_t *to = out;
    for (uint32_t n = k.values >> 2; n != 0; --n) {
        to[0] = add_one(&k, left[0], right[0]);
        to[1] = add_one(&k, left[1], right[1]);
        to[2] = add_one(&k, left[2], right[2]);
        to[3] = add_one(&k, left[3], right[3]);
        left += 4, right += 4, to += 4;
    }
    for (uint32_t n = k.values & 3u; n != 0; --n) {
        *to++ = add_one(&k, *left++, *right++);
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_add, layer->in[0], layer->in[1], layer->out)
