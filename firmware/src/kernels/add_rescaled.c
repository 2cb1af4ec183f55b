// SPDX-License-Identifier: Apache-2.0
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

tk_status tk_add_rescaled(const tk_add_rescaled_params *p, const void *a, const void *b, void *out)
{
    const int8_t *left = a, *right = b;
    int8_t *to = out;
    const int32_t unit = 1 << p->left_shift;
    for (uint32_t n = p->values; n != 0; --n) {
        const int32_t x = (*left++ - p->zero_point_a) * unit;
        const int32_t y = (*right++ - p->zero_point_b) * unit;
        const int32_t sum =
            scaled(x, p->multiplier_a, p->shift_a) + scaled(y, p->multiplier_b, p->shift_b);
        const int32_t value = scaled(sum, p->multiplier, p->shift) + p->zero_point;
        *to++ = (int8_t)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_add_rescaled, layer->in[0], layer->in[1], layer->out)
