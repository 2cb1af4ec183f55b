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

// Any product, without the clamp.
TK_INLINE int32_t tk_scale_any(const tk_product *s, int32_t product)
{
    const int32_t wide = (int32_t)((uint32_t)product << s->left);
    const int32_t value = tk_high_sum(wide, s->multiplier, s->constant);
    return (value + (wide >> 31 & s->away)) >> s->shift;
}

// The same where the factor is below one half: `left` is 2 and `away` is -2.
TK_INLINE int32_t tk_scale_flat(const tk_product *s, int32_t product)
{
#if TK_DSP
    // Half of it all, which the instruction that rounds makes good.
    const int32_t value = tk_smmlar(product * 2, s->multiplier, s->constant >> 1);
    return (value + (product >> 31)) >> (s->shift - 1);
#else
    const int32_t value = tk_plain_high(product * 4, s->multiplier);
    return (value + (value >> 31) * 2 + s->constant) >> s->shift;
#endif
}

// Clamped to `low` and what lies up to `range` above it.
TK_INLINE int32_t tk_clamp_above(int32_t value, int32_t low, uint32_t range)
{
    if ((uint32_t)(value - low) > range) {
        value = value < low ? low : low + (int32_t)range;
    }
    // The compiler would cut it to a byte on every path, which storing it does for nothing.
    __asm__("" : "+r"(value));
    return value;
}

#endif
