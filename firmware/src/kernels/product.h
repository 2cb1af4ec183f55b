// SPDX-License-Identifier: Apache-2.0
// The scaling of a product of two small integers: the form of plain/scale.h, which is exact for all
// shifts where products have 17 bits. What is shifted out to the left where a factor is 2^13 or
// more, and beyond the 18th bit to the right, cannot be seen in 8 bits.
#ifndef TINYKIT_PRODUCT_BODY_H
#define TINYKIT_PRODUCT_BODY_H

#include "plain/scale.h"
#include "tinykit/product.h"

// `constant` plus the upper word of value * multiplier.
TK_INLINE int32_t tk_high_sum(int32_t value, int32_t multiplier, int32_t constant)
{
#if TK_DSP
    return tk_smmla(value, multiplier, constant);
#else
    return tk_plain_high(value, multiplier) + constant;
#endif
}

// An output from 0 to `range`, clamped.
TK_INLINE int32_t tk_scale_product(const tk_product *s, int32_t product, int32_t range)
{
    const int32_t wide = (int32_t)((uint32_t)product << s->left);
    int32_t value = tk_high_sum(wide, s->multiplier, s->constant);
    value = (value + (wide >> 31 & s->away)) >> s->shift;
    if ((uint32_t)value > (uint32_t)range) {
        value = value < 0 ? 0 : range;
    }
    return value;
}

#endif
