// SPDX-License-Identifier: Apache-2.0
// Every result here is mirrored by tinykit/frontends/fft.py, rounding for rounding. A pair of real
// samples makes a complex point; radix-4 stages by decimation in time (and one radix-2 stage if
// log2(points) is odd) run over points in bit-reversed order, then the bins of the real transform
// are split off. Before each stage the largest magnitude chooses its right shift.
#include "tinykit/fft.h"

#include "tinykit/log2.h"

#if defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#endif

// Fraction bits kept below the data while a butterfly's terms are summed.
#define GUARD 3
#define GUARD_SCALE (1 << GUARD)

_Static_assert((-3 >> 1) == -2, "right shifts of negative values must be arithmetic");
_Static_assert(sizeof(tk_fft_bin) == 4, "a point is two 16-bit halves of one word");

typedef struct {
    int32_t re;
    int32_t im;
} wide;

// How a stage rounds its results to 16 bits, and the magnitudes it has seen.
typedef struct {
    int32_t half;
    uint32_t shift;
    uint32_t ored;
} rounding;

static inline rounding rounding_by(uint32_t shift)
{
    const rounding r = {1 << (shift + GUARD - 1), shift + GUARD, 0};
    return r;
}

static inline uint32_t bits_of(uint32_t ored)
{
    return ored == 0 ? 0 : 32u - tk_leading_zeros(ored);
}

// By how much `bits` exceeds the room there is.
static inline uint32_t excess(uint32_t bits, uint32_t room)
{
    return bits > room ? bits - room : 0;
}

static inline void store(tk_fft_bin *to, int32_t re, int32_t im, rounding *r)
{
    const int32_t a = (re + r->half) >> r->shift;
    const int32_t b = (im + r->half) >> r->shift;
    r->ored |= (uint32_t)(a ^ (a >> 31)) | (uint32_t)(b ^ (b >> 31));
    to->z.re = (int16_t)a;
    to->z.im = (int16_t)b;
}

static inline wide widen(tk_fft_bin x)
{
    const wide w = {x.z.re * GUARD_SCALE, x.z.im * GUARD_SCALE};
    return w;
}

// A twiddle factor exp(-i angle): cosine in the lower half, sine in the upper.
#if defined(__ARM_FEATURE_DSP)
typedef uint32_t twiddle;

static inline twiddle twiddle_of(int16_t cosine, int16_t sine)
{
    return (uint32_t)(uint16_t)cosine | ((uint32_t)(uint16_t)sine << 16);
}

static inline wide rotate(tk_fft_bin x, twiddle t)
{
    const wide w = {(int32_t)__smuad((int16x2_t)x.power, (int16x2_t)t) >> (15 - GUARD),
                    (int32_t)__smusdx((int16x2_t)t, (int16x2_t)x.power) >> (15 - GUARD)};
    return w;
}
#else
typedef struct {
    int32_t cosine;
    int32_t sine;
} twiddle;

static inline twiddle twiddle_of(int16_t cosine, int16_t sine)
{
    const twiddle t = {cosine, sine};
    return t;
}

static inline wide rotate(tk_fft_bin x, twiddle t)
{
    const wide w = {(x.z.re * t.cosine + x.z.im * t.sine) >> (15 - GUARD),
                    (x.z.im * t.cosine - x.z.re * t.sine) >> (15 - GUARD)};
    return w;
}
#endif

// exp(-2 pi i turns / (2 * points)).
static inline twiddle twiddle_at(const tk_fft_params *p, uint32_t turns)
{
    return twiddle_of(p->sine[turns + p->points / 2u], p->sine[turns]);
}

// Joins the parts 0, 1, 2, 3, already rotated, into outputs `length` apart.
static inline void butterfly(tk_fft_bin *to, uint32_t length, wide a, wide b, wide c, wide d,
                             rounding *r)
{
    const wide sum = {a.re + c.re, a.im + c.im};
    const wide gap = {a.re - c.re, a.im - c.im};
    const wide odd = {b.re + d.re, b.im + d.im};
    const wide turn = {b.re - d.re, b.im - d.im};
    store(to, sum.re + odd.re, sum.im + odd.im, r);
    store(to + length, gap.re + turn.im, gap.im - turn.re, r);
    store(to + 2 * length, sum.re - odd.re, sum.im - odd.im, r);
    store(to + 3 * length, gap.re - turn.im, gap.im + turn.re, r);
}

static uint32_t radix2(const tk_fft_params *p, tk_fft_bin *bins, uint32_t shift)
{
    rounding r = rounding_by(shift);
    for (tk_fft_bin *at = bins; at < bins + p->points; at += 2) {
        const wide a = widen(at[0]);
        const wide b = widen(at[1]);
        store(at, a.re + b.re, a.im + b.im, &r);
        store(at + 1, a.re - b.re, a.im - b.im, &r);
    }
    return r.ored;
}

// Four transforms of `length` points become one. Bit reversal put them in the order 0, 2, 1, 3.
static uint32_t radix4(const tk_fft_params *p, tk_fft_bin *bins, uint32_t length, uint32_t shift)
{
    rounding r = rounding_by(shift);
    const tk_fft_bin *end = bins + p->points;
    const uint32_t step = p->points / (2 * length);
    for (tk_fft_bin *at = bins; at < end; at += 4 * length) {
        butterfly(at, length, widen(at[0]), widen(at[2 * length]), widen(at[length]),
                  widen(at[3 * length]), &r);
    }
    for (uint32_t k = 1; k < length; ++k) {
        const twiddle t1 = twiddle_at(p, k * step);
        const twiddle t2 = twiddle_at(p, 2 * k * step);
        const twiddle t3 = twiddle_at(p, 3 * k * step);
        for (tk_fft_bin *at = bins + k; at < end; at += 4 * length) {
            butterfly(at, length, widen(at[0]), rotate(at[2 * length], t1), rotate(at[length], t2),
                      rotate(at[3 * length], t3), &r);
        }
    }
    return r.ored;
}

// Squared magnitude of a bin, from twice its value with the guard bits.
static inline uint32_t power_of(int32_t re, int32_t im, const rounding *r)
{
    const int32_t a = (re + r->half) >> r->shift;
    const int32_t b = (im + r->half) >> r->shift;
    return (uint32_t)(a * a) + (uint32_t)(b * b);
}

// X[k] = E + exp(-2 pi i k / (2 * points)) O, and its mirror, from Z[k] and Z[points - k].
static void split(const tk_fft_params *p, tk_fft_bin *bins, uint32_t shift)
{
    const rounding r = rounding_by(shift);
    for (uint32_t k = 1; k <= p->points / 2u; ++k) {
        const tk_fft_bin a = bins[k];
        const tk_fft_bin b = bins[p->points - k];
        const int32_t even_re = (a.z.re + b.z.re) * GUARD_SCALE;
        const int32_t even_im = (a.z.im - b.z.im) * GUARD_SCALE;
        // The last stage left a bit free, so these differences fit 16 bits.
        tk_fft_bin odd;
        odd.z.re = (int16_t)(a.z.im + b.z.im);
        odd.z.im = (int16_t)(b.z.re - a.z.re);
        if (k < p->bins) {
            const wide t = rotate(odd, twiddle_at(p, k));
            bins[k].power = power_of(even_re + t.re, even_im + t.im, &r);
        }
        if (p->points - k < p->bins && 2 * k != p->points) {
            odd.z.re = (int16_t)(a.z.im + b.z.im);
            odd.z.im = (int16_t)(a.z.re - b.z.re);
            const wide t = rotate(odd, twiddle_at(p, p->points - k));
            bins[p->points - k].power = power_of(even_re + t.re, t.im - even_im, &r);
        }
    }
}

int32_t tk_fft_power(const tk_fft_params *params, tk_fft_bin *bins, uint32_t ored)
{
    uint32_t total = 0;
    uint32_t length = 1;
    if (tk_leading_zeros(params->points) % 2u == 0) {
        const uint32_t shift = excess(bits_of(ored), 14);
        ored = radix2(params, bins, shift);
        total = shift;
        length = 2;
    }
    for (; length < params->points; length *= 4) {
        // Four terms of b bits need b + 2; with twiddles they reach 5.25 * 2^b.
        const uint32_t room = length == 1 ? 13 : 12;
        const uint32_t spare = 4 * length == params->points ? 1 : 0;
        const uint32_t shift = excess(bits_of(ored), room) + spare;
        ored = radix4(params, bins, length, shift);
        total += shift;
    }
    const uint32_t shift = excess(bits_of(ored), 13) + 1;
    split(params, bins, shift);
    return (int32_t)(total + shift - 1);
}
