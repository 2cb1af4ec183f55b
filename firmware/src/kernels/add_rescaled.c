// SPDX-License-Identifier: Apache-2.0
#include "broadcast_body.h"
#include "tinykit/add.h"

// value * multiplier / 2^(31 + shift): rounded once to 2^31, halves up, and once more by the shift,
// halves away from zero.
static int32_t scaled(int32_t value, int32_t multiplier, uint32_t shift)
{
    const int64_t high = ((int64_t)value * multiplier + (1LL << 30)) >> 31;
    if (shift == 0) {
        return (int32_t)high;
    }
    return (int32_t)((high + (high >> 63) + (1LL << (shift - 1u))) >> shift);
}

TK_INLINE void add_row(const tk_add_rescaled_params *p, const int8_t *a, const int8_t *b,
                       uint32_t step, int8_t *out, uint32_t n)
{
    const int32_t unit = 1 << p->left_shift;
    for (; n != 0; --n, b += step) {
        const int32_t x = (*a++ - p->zero_point_a) * unit;
        const int32_t y = scaled((*b - p->zero_point_b) * unit, p->multiplier_b, p->shift_b);
        const int32_t sum = scaled(x, p->multiplier_a, p->shift_a) + (p->subtract != 0 ? -y : y);
        const int32_t value = scaled(sum, p->multiplier, p->shift) + p->zero_point;
        *out++ = (int8_t)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
}

static void add_any(const void *params, const int8_t *a, const int8_t *b, int8_t *out, uint32_t n)
{
    const tk_add_rescaled_params *p = params;
    add_row(p, a, b, p->shape.value_step, out, n);
}

tk_status tk_add_rescaled(const tk_add_rescaled_params *p, const void *a, const void *b, void *out)
{
    for_each_row(&p->shape, p, add_any, add_any, a, b, out);
    return TK_OK;
}

TK_LAYER_RUN(tk_add_rescaled, layer->in[0], layer->in[1], layer->out)
