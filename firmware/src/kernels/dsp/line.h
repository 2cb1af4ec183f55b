// SPDX-License-Identifier: Apache-2.0
// Narrow outputs along a digital line: a factor and an offset for each channel give, by one
// multiplication, what the two roundings of tk_scale_sums would (codegen/lines.py proves it).
// Included after OUT_BITS.
#ifndef TINYKIT_DSP_LINE_H
#define TINYKIT_DSP_LINE_H

#include "finish.h"

// Bits of a line below the output's. As in codegen/variants.py.
#define TK_LINE_FRACTION 14

// A line's value to an output: the fraction dropped, clamped at the width.
TK_INLINE int32_t tk_line_value(int32_t line)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t value;
    __asm__("ssat %0, %2, %1, asr %3"
            : "=r"(value)
            : "r"(line), "i"(OUT_BITS), "i"(TK_LINE_FRACTION));
    return value;
#else
    line >>= TK_LINE_FRACTION;
    return OUT_BITS == 4 ? tk_ssat4(line) : tk_ssat2(line);
#endif
}

// Puts `value` at bit `shift` of a byte and above; all channels of a byte come, and in order.
TK_INLINE void tk_line_put(uint8_t *out, int32_t value, uint32_t shift)
{
    const uint32_t before = (1u << shift) - 1u;
    *out = (uint8_t)(shift == 0 ? (uint32_t)value : (*out & before) | (uint32_t)value << shift);
}

// Stores `count` outputs of channel `c`, `stride` bytes apart; `count` is a constant.
TK_INLINE void tk_line_store(const int32_t *line, uint32_t count, uint32_t c, uint32_t stride,
                             uint8_t *out)
{
    const uint32_t shift = c * OUT_BITS & 7u;
    out += c * OUT_BITS >> 3;
#define STORE(at)                                                                                  \
    for (uint32_t i = 0; i < count; ++i, out += stride) {                                          \
        tk_line_put(out, tk_line_value(line[i]), at);                                              \
    }
    if (shift == 0) {
#pragma GCC unroll 8
        STORE(0)
    } else if (shift == 4) {
#pragma GCC unroll 8
        STORE(4)
#if OUT_BITS == 2
    } else if (shift == 2) {
#pragma GCC unroll 8
        STORE(2)
    } else {
#pragma GCC unroll 8
        STORE(6)
#endif
    }
#undef STORE
}

// The same for `count` of fewer.
static void __attribute__((noinline)) tk_line_store_few(const int32_t *line, uint32_t count,
                                                        uint32_t c, uint32_t stride, uint8_t *out)
{
    const uint32_t shift = c * OUT_BITS & 7u;
    out += c * OUT_BITS >> 3;
    for (; count != 0; --count, ++line, out += stride) {
        tk_line_put(out, tk_line_value(*line), shift);
    }
}

#endif
