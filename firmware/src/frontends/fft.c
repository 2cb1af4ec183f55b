// SPDX-License-Identifier: Apache-2.0
// Every result here is mirrored by tinykit/frontends/fft.py, rounding for rounding. A pair of real
// samples makes a complex point; radix-4 stages by decimation in time (and one radix-2 stage if
// log2(points) is odd) run over points in bit-reversed order, then the bins of the real transform
// are split off. Before each stage the largest magnitude chooses its right shift.
#include "tinykit/fft.h"

#include <stdbool.h>

#include "tinykit/simd.h"

// Fraction bits kept below the data while a butterfly's terms are summed.
#define GUARD 3
#define GUARD_SCALE (1 << GUARD)

_Static_assert((-3 >> 1) == -2, "right shifts of negative values must be arithmetic");
_Static_assert(sizeof(tk_fft_bin) == 4, "a point is two 16-bit halves of one word");

typedef struct {
    int32_t re;
    int32_t im;
} wide;

// How a stage rounds its results to 16 bits, and the OR of their tk_fft_changes.
typedef struct {
    int32_t half;
    uint32_t shift;
    uint32_t changes;
} rounding;

static inline rounding rounding_by(uint32_t shift)
{
    const rounding r = {1 << (shift + GUARD - 1), shift + GUARD, 0};
    return r;
}

// By how much `bits` exceeds the room there is.
static inline uint32_t excess(uint32_t bits, uint32_t room)
{
    return bits > room ? bits - room : 0;
}

// The caller has added the half.
static inline void store(tk_fft_bin *to, int32_t re, int32_t im, rounding *r)
{
    const uint32_t word = tk_pack_low((uint32_t)(re >> r->shift), (uint32_t)(im >> r->shift));
    r->changes |= tk_fft_changes(word);
    to->word = word;
}

// The point with its guard bits and, for the rounding of whatever sum it enters, the half.
static inline wide widen(tk_fft_bin x, int32_t half)
{
    const wide w = {x.z.re * GUARD_SCALE + half, x.z.im * GUARD_SCALE + half};
    return w;
}

// A twiddle factor exp(-i angle): cosine in the lower half, sine in the upper.
#if TK_DSP
typedef uint32_t twiddle;

// t.low * x.low + t.high * x.high
static inline int32_t dot(twiddle t, uint32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    return (int32_t)__smuad((int16x2_t)t, (int16x2_t)x);
#else
    return tk_smlad(t, x, 0);
#endif
}

// t.low * x.high - t.high * x.low
static inline int32_t cross(twiddle t, uint32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    return (int32_t)__smusdx((int16x2_t)t, (int16x2_t)x);
#else
    return (int16_t)t * (int16_t)(x >> 16) - (int16_t)(t >> 16) * (int16_t)x;
#endif
}

static inline twiddle twiddle_of(int16_t cosine, int16_t sine)
{
    return tk_pack_low((uint32_t)cosine, (uint32_t)sine);
}

static inline wide rotate(tk_fft_bin x, twiddle t)
{
    const wide w = {dot(t, x.word) >> (15 - GUARD), cross(t, x.word) >> (15 - GUARD)};
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
        const wide a = widen(at[0], r.half);
        const wide b = widen(at[1], 0);
        store(at, a.re + b.re, a.im + b.im, &r);
        store(at + 1, a.re - b.re, a.im - b.im, &r);
    }
    return tk_fft_bits(r.changes);
}

// Four transforms of `length` points become one. Bit reversal put them in the order 0, 2, 1, 3.
static uint32_t radix4(const tk_fft_params *p, tk_fft_bin *bins, uint32_t length, uint32_t shift)
{
    rounding r = rounding_by(shift);
    const tk_fft_bin *end = bins + p->points;
    const uint32_t step = p->points / (2 * length);
    for (tk_fft_bin *at = bins; at < end; at += 4 * length) {
        butterfly(at, length, widen(at[0], r.half), widen(at[2 * length], 0), widen(at[length], 0),
                  widen(at[3 * length], 0), &r);
    }
    for (uint32_t k = 1; k < length; ++k) {
        const twiddle t1 = twiddle_at(p, k * step);
        const twiddle t2 = twiddle_at(p, 2 * k * step);
        const twiddle t3 = twiddle_at(p, 3 * k * step);
        for (tk_fft_bin *at = bins + k; at < end; at += 4 * length) {
            butterfly(at, length, widen(at[0], r.half), rotate(at[2 * length], t1),
                      rotate(at[length], t2), rotate(at[3 * length], t3), &r);
        }
    }
    return tk_fft_bits(r.changes);
}

// What X[k] is made of, from Z[k] and its mirror Z[points - k]: X = (even + rotated odd) / 2.
static inline uint32_t bin_power(tk_fft_bin z, tk_fft_bin mirror, twiddle t, const rounding *r)
{
    const int32_t even_re = (z.z.re + mirror.z.re) * GUARD_SCALE + r->half;
    const int32_t even_im = (z.z.im - mirror.z.im) * GUARD_SCALE + r->half;
    // The last stage left a bit free, so these sums fit 16 bits.
    const uint32_t odd_re = (uint32_t)(z.z.im + mirror.z.im);
    const uint32_t odd_im = (uint32_t)(mirror.z.re - z.z.re);
    const tk_fft_bin odd = {.word = tk_pack_low(odd_re, odd_im)};
    const wide turned = rotate(odd, t);
    const int32_t re = (even_re + turned.re) >> r->shift;
    const int32_t im = (even_im + turned.im) >> r->shift;
    return (uint32_t)(re * re + im * im);
}

// Replaces the points of the complex transform by the powers of the real one's bins.
static void split(const tk_fft_params *p, tk_fft_bin *bins, uint32_t shift)
{
    const rounding r = rounding_by(shift);
    const uint32_t half = p->points / 2u;
    const uint32_t last = p->bins <= half ? p->bins - 1u : half;
    const bool upper = p->bins > half;
    for (uint32_t k = 1; k <= last; ++k) {
        const tk_fft_bin z = bins[k];
        const tk_fft_bin mirror = bins[p->points - k];
        if (upper) {
            const twiddle t = twiddle_at(p, p->points - k);
            bins[p->points - k].word = bin_power(mirror, z, t, &r);
        }
        bins[k].word = bin_power(z, mirror, twiddle_at(p, k), &r);
    }
}

int32_t tk_fft_power(const tk_fft_params *params, tk_fft_bin *bins, uint32_t bits)
{
    uint32_t total = 0;
    uint32_t length = 1;
    if (tk_leading_zeros(params->points) % 2u == 0) {
        total = excess(bits, 14);
        bits = radix2(params, bins, total);
        length = 2;
    }
    for (; length < params->points; length *= 4) {
        // Four terms of b bits need b + 2; with twiddles they reach 5.25 * 2^b.
        const uint32_t room = length == 1 ? 13 : 12;
        const uint32_t spare = 4 * length == params->points ? 1 : 0;
        const uint32_t shift = excess(bits, room) + spare;
        bits = radix4(params, bins, length, shift);
        total += shift;
    }
    const uint32_t shift = excess(bits, 13) + 1;
    split(params, bins, shift);
    return (int32_t)(total + shift - 1);
}
