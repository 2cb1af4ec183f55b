// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/spectral.py, rounding for rounding.
#include "tinykit/spectral.h"

#include <string.h>

#include "tinykit/log2.h"
#include "tinykit/simd.h"

// By how much the frame can grow: to the 16th bit, but not so far that the floor overflows.
static uint32_t growth(const tk_spectral_params *p, const tk_fft_bin *samples)
{
    uint32_t changes = 0;
    for (const tk_fft_bin *at = samples; at < samples + p->window / 2u; ++at) {
        changes |= tk_fft_changes(at->word);
    }
    const uint32_t room = 15u - tk_fft_bits(changes);
    return room < p->largest_shift ? room : p->largest_shift;
}

// The window's product, scaled up by `left` bits and rounded to 16.
typedef struct {
    int32_t half;
    uint32_t shift;
} scaling;

static inline scaling scaling_by(uint32_t left)
{
    const scaling s = {left < 15 ? 1 << (14 - left) : 0, 15 - left};
    return s;
}

// Windows the pairs [first, last) into bit-reversed places; `step` is the way along the taper.
static inline uint32_t place(const tk_spectral_params *p, const tk_spectral_state *s,
                             uint32_t first, uint32_t last, int32_t step, scaling scale)
{
    const int16_t *weight = p->taper + (step > 0 ? 2 * first : p->window - 2 * first);
    const uint16_t *order = p->order;
    uint32_t changes = 0;
    for (uint32_t i = first; i < last; ++i) {
        const tk_fft_bin pair = s->samples[i];
        const int32_t re = (pair.z.re * weight[0] + scale.half) >> scale.shift;
        const int32_t im = (pair.z.im * weight[step] + scale.half) >> scale.shift;
        const uint32_t word = tk_pack_low((uint32_t)re, (uint32_t)im);
        changes |= tk_fft_changes(word);
        s->bins[order[i]].word = word;
        weight += 2 * step;
    }
    return changes;
}

// Windows the frame into the transform's places; returns the bits of the largest magnitude.
static uint32_t load(const tk_spectral_params *p, const tk_spectral_state *s, uint32_t left)
{
    const scaling scale = scaling_by(left);
    const uint32_t pairs = p->window / 2u;
    const uint32_t rising = (pairs + 1) / 2;
    for (uint32_t i = pairs; i < p->fft.points; ++i) {
        s->bins[p->order[i]].word = 0;
    }
    return tk_fft_bits(place(p, s, 0, rising, 1, scale) | place(p, s, rising, pairs, -1, scale));
}

typedef struct {
    // The value is high * 2^16 + low, with low below 2^16.
    uint32_t high;
    uint32_t low;
} split_sum;

// Weighted mean of power, Q16. A filter's weights sum to 65535, so neither half overflows.
#if defined(__ARM_ARCH) && __ARM_ARCH >= 7
// One UMLAL a bin.
static inline split_sum filter(const tk_fft_bin *bins, const uint16_t *weights, uint32_t n)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; ++i) {
        total += (uint64_t)bins[i].word * weights[i];
    }
    const split_sum sum = {(uint32_t)(total >> 16), (uint32_t)total & 0xFFFFu};
    return sum;
}
#else
// Cores without a long product multiply the halves.
static inline split_sum filter(const tk_fft_bin *bins, const uint16_t *weights, uint32_t n)
{
    split_sum sum = {0, 0};
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t power = bins[i].word;
        sum.high += (power >> 16) * weights[i];
        sum.low += (power & 0xFFFFu) * weights[i];
    }
    sum.high += sum.low >> 16;
    sum.low &= 0xFFFFu;
    return sum;
}
#endif

// Adds 2^exponent to the Q16 value.
static split_sum add_floor(split_sum sum, uint32_t exponent)
{
    if (exponent >= 16) {
        sum.high += 1u << (exponent - 16);
        return sum;
    }
    sum.low += 1u << exponent;
    sum.high += sum.low >> 16;
    sum.low &= 0xFFFFu;
    return sum;
}

// Log energies above the floor; the true power is 4^shift times what the bins hold.
static void log_energies(const tk_spectral_params *p, const tk_spectral_state *s, int32_t shift)
{
    const int32_t floor_exponent = 16 + p->floor_bits - 2 * shift;
    const uint32_t exponent = floor_exponent > 0 ? (uint32_t)floor_exponent : 0;
    const int32_t units = floor_exponent * (1 << TK_LOG2_BITS);
    for (uint32_t m = 0; m < p->n_mels; ++m) {
        const uint32_t start = p->filter_offset[m];
        const split_sum mean = filter(s->bins + p->filter_first[m], p->filter_weights + start,
                                      p->filter_offset[m + 1] - start);
        const split_sum floored = add_floor(mean, exponent);
        s->energies[m] = (int16_t)(tk_log2_q9(floored.high, floored.low) - units);
    }
}

void tk_spectral_reset(tk_spectral_state *state)
{
    state->filled = 0;
}

// Moves samples into the frame; returns how many it took.
static size_t fill(const tk_spectral_params *p, tk_spectral_state *s, const int16_t *samples,
                   size_t n_samples)
{
    const size_t room = (size_t)p->window - s->filled;
    const size_t taken = n_samples < room ? n_samples : room;
    memcpy((char *)s->samples + s->filled * sizeof *samples, samples, taken * sizeof *samples);
    s->filled = (uint16_t)(s->filled + taken);
    return taken;
}

static void keep_overlap(const tk_spectral_params *p, tk_spectral_state *s)
{
    s->filled = (uint16_t)(p->window - p->hop);
    memmove(s->samples, (const char *)s->samples + p->hop * sizeof(int16_t),
            s->filled * sizeof(int16_t));
}

bool tk_spectral_take(const tk_spectral_params *params, tk_spectral_state *state,
                      const int16_t **samples, size_t *n_samples)
{
    const size_t taken = fill(params, state, *samples, *n_samples);
    *samples += taken;
    *n_samples -= taken;
    if (state->filled < params->window) {
        return false;
    }
    const uint32_t left = growth(params, state->samples);
    const uint32_t bits = load(params, state, left);
    const int32_t right = tk_fft_power(&params->fft, state->bins, bits);
    log_energies(params, state, right - (int32_t)left);
    keep_overlap(params, state);
    return true;
}
