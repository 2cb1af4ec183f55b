// SPDX-License-Identifier: Apache-2.0
// Sigmoid and tanh of 16-bit fixed point, in units of 2^-15: an exponential, and a quotient by
// three steps of Newton and Raphson from the best line, (48 - 32 d) / 17.
#ifndef TINYKIT_KERNELS_SIGMOID_H
#define TINYKIT_KERNELS_SIGMOID_H

#include <stdint.h>

#include "tinykit/inline.h"
#include "tinykit/requantize.h"

#define TK_ONE_Q15 32767
#define TK_ONE_Q13 8192

// round(a * b / 2^15), halves up.
TK_INLINE int32_t tk_high_q15(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

// exp(x) for x from -1/4 up to but not including 0: a series about -1/8.
TK_INLINE int32_t tk_exp_near_zero(int32_t x)
{
    const int32_t eighth = 28918, third = 10923;
    const int32_t y = x + (1 << 12);
    const int32_t square = tk_high_q15(y, y), cube = tk_high_q15(square, y);
    const int32_t fourth = tk_shift_right(tk_high_q15(square, square), 2);
    const int32_t rest = tk_shift_right(tk_high_q15(fourth + cube, third) + square, 1);
    const int32_t result = eighth + tk_high_q15(y + rest, eighth);
    return result < TK_ONE_Q15 ? result : TK_ONE_Q15;
}

// exp(x) for x from -2^15 to 0, of which `bits` are before the point, 1 to 7.
static int32_t tk_exp_q15(int32_t x, uint32_t bits)
{
    // exp(-2^k) for k from -2; from 4 on nothing is left.
    static const uint16_t powers[9] = {25520, 19875, 12055, 4435, 600, 11};
    if (x == 0) {
        return TK_ONE_Q15;
    }
    const uint32_t quarter = 13u - bits;
    const int32_t fine = (x & ((1 << quarter) - 1)) - (1 << quarter);
    int32_t result = tk_exp_near_zero(fine * (1 << bits));
    const uint16_t *power = powers;
    for (uint32_t rest = (uint32_t)(fine - x) >> quarter; rest != 0; rest >>= 1, ++power) {
        if ((rest & 1u) != 0) {
            result = tk_high_q15(result, *power);
        }
    }
    return result;
}

// 2 / (1 + x) in units of 2^-13, for x from 0 to 1 in units of 2^-15.
TK_INLINE int32_t tk_reciprocal_q13(int32_t x)
{
    const int32_t half = (x + TK_ONE_Q15 + 1) >> 1;
    int32_t y = 23130 + tk_high_q15(half, -15420);
#pragma GCC unroll 3
    for (int step = 0; step < 3; ++step) {
        y += 4 * tk_high_q15(y, TK_ONE_Q13 - tk_high_q15(half, y));
    }
    return y;
}

// 1 / (1 + exp(-x)) for 16 bits of x in units of 2^-12.
static int32_t tk_sigmoid_q15(int32_t x)
{
    if (x == 0) {
        return 1 << 14;
    }
    const int32_t twice = 2 * tk_reciprocal_q13(tk_exp_q15(x < 0 ? x : -x, 3));
    const int32_t result = twice < TK_ONE_Q15 ? twice : TK_ONE_Q15;
    return x < 0 ? TK_ONE_Q15 - result : result;
}

// tanh(x) for 16 bits of x, of which `bits` are before the point, 0 to 6.
static int32_t tk_tanh_q15(int32_t x, uint32_t bits)
{
    if (x == 0) {
        return 0;
    }
    // The same integer with one more bit before the point is twice the number.
    const int32_t power = tk_exp_q15(x < 0 ? x : -x, bits + 1u);
    const int32_t fourfold = 4 * (tk_reciprocal_q13(power) - TK_ONE_Q13);
    const int32_t result = fourfold < TK_ONE_Q15 ? fourfold : TK_ONE_Q15;
    return x < 0 ? -result : result;
}

#endif
