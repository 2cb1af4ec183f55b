// SPDX-License-Identifier: Apache-2.0
// Three decimals of a single-precision number by integers alone: exact, and the same on every core,
// where the float formatting of small C libraries is missing, large, or rounds differently.
#include <stdbool.h>
#include <string.h>

#include "say.h"
#include "tinykit/mlperf.h"
#include "tinykit/network.h"
#include "tinykit/port.h"

// mantissa * 2^exponent, with a sign; mantissa < 2^24.
typedef struct {
    uint32_t mantissa;
    int32_t exponent;
    bool negative;
} real;

// A finite single: 8 bits of exponent with a bias of 127, 23 bits of fraction.
static real decode(uint32_t bits)
{
    const uint32_t exponent = bits >> 23 & 0xFFu;
    const uint32_t fraction = bits & 0x7FFFFFu;
    const real x = {
        .mantissa = exponent == 0 ? fraction : fraction | 0x800000u,
        .exponent = (int32_t)(exponent == 0 ? 1u : exponent) - 150,
        .negative = bits >> 31 != 0,
    };
    return x;
}

// value / 2^shift, rounded half to even; shift < 64.
static uint64_t shift_right(uint64_t value, uint32_t shift)
{
    if (shift == 0) {
        return value;
    }
    const uint64_t half = (uint64_t)1 << (shift - 1u);
    const uint64_t rest = value & ((half << 1) - 1u);
    const uint64_t whole = value >> shift;
    return whole + (rest > half || (rest == half && (whole & 1u) != 0));
}

// The product as a single would hold it.
static real scaled(uint32_t scale, int32_t steps)
{
    real x = decode(scale);
    uint64_t product = (uint64_t)x.mantissa * (uint32_t)(steps < 0 ? -steps : steps);
    uint32_t surplus = 0;
    while (product >> surplus >= 0x1000000u) {
        ++surplus;
    }
    product = shift_right(product, surplus);
    if (product == 0x1000000u) { // rounded up to the next power of two
        product >>= 1;
        ++surplus;
    }
    x.mantissa = (uint32_t)product;
    x.exponent += (int32_t)surplus;
    x.negative = steps < 0;
    return x;
}

// Splits a number below 2^32 into its whole part and its thousandths, 0 to 1000.
static void split(real x, uint32_t *whole, uint32_t *thousandths)
{
    if (x.exponent >= 0) {
        *whole = x.mantissa << x.exponent;
        *thousandths = 0;
        return;
    }
    const uint32_t shift = (uint32_t)-x.exponent;
    *whole = shift < 24u ? x.mantissa >> shift : 0;
    const uint32_t fraction = shift < 24u ? x.mantissa & ((1u << shift) - 1u) : x.mantissa;
    // Below 2^34: a shift of 36 or more leaves less than a half.
    *thousandths = shift < 36u ? (uint32_t)shift_right((uint64_t)fraction * 1000u, shift) : 0;
}

static void say(real x)
{
    uint32_t whole, thousandths;
    if (x.negative) {
        tk_port_putc('-');
    }
    if (x.exponent > 8 && x.mantissa != 0) {
        tk_say("inf");
        return;
    }
    split(x, &whole, &thousandths);
    tk_say_uint(whole + thousandths / 1000u);
    tk_port_putc('.');
    thousandths %= 1000u;
    for (uint32_t unit = 100u; unit != 0; unit /= 10u) {
        tk_port_putc((char)('0' + thousandths / unit % 10u));
    }
}

void tk_mlperf_say_scaled(uint32_t scale, int32_t steps)
{
    say(scaled(scale, steps));
}

void tk_mlperf_say_single(uint32_t bits)
{
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
        tk_say("nan");
        return;
    }
    say(decode(bits));
}

void tk_mlperf_say_scores(const tk_mlperf_device *device)
{
    uint32_t scale;
    memcpy(&scale, &device->out_scale, sizeof scale);
    for (size_t i = 0; i < tk_model.outputs; ++i) {
        if (i != 0) {
            tk_port_putc(',');
        }
        tk_mlperf_say_scaled(scale, device->outputs[i] - device->out_zero_point);
    }
}
