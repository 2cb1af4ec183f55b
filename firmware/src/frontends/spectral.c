// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/spectral.py, rounding for rounding.
#include "tinykit/spectral.h"

#include <string.h>

#include "tinykit/log2.h"

// The OR of v ^ (v >> 31): its highest bit is that of the largest magnitude.
static uint32_t fold(const int16_t *samples, size_t n)
{
    uint32_t ored = 0;
    for (size_t i = 0; i < n; ++i) {
        const int32_t v = samples[i];
        ored |= (uint32_t)(v ^ (v >> 31));
    }
    return ored;
}

// By how much the frame can grow: to the 16th bit, but not so far that the floor overflows.
static uint32_t growth(const tk_spectral_params *p, const int16_t *samples)
{
    const uint32_t ored = fold(samples, p->window);
    const uint32_t room = ored == 0 ? 15 : tk_leading_zeros(ored) - 17u;
    return room < p->largest_shift ? room : p->largest_shift;
}

static inline int16_t tapered(const tk_spectral_params *p, const int16_t *samples, uint32_t i,
                              uint32_t left)
{
    const uint32_t mirror = p->window - i;
    const int32_t weight = p->taper[i < mirror ? i : mirror] * (1 << left);
    return (int16_t)((samples[i] * weight + (1 << 14)) >> 15);
}

// Window, scale and place the frame's samples in bit-reversed order; returns their fold.
static uint32_t load(const tk_spectral_params *p, const tk_spectral_state *s, uint32_t left)
{
    uint32_t ored = 0;
    for (uint32_t i = 0; i < p->fft.points; ++i) {
        tk_fft_bin *to = &s->bins[p->order[i]];
        to->z.re = 2 * i < p->window ? tapered(p, s->samples, 2 * i, left) : 0;
        to->z.im = 2 * i + 1 < p->window ? tapered(p, s->samples, 2 * i + 1, left) : 0;
        const int32_t re = to->z.re;
        const int32_t im = to->z.im;
        ored |= (uint32_t)(re ^ (re >> 31)) | (uint32_t)(im ^ (im >> 31));
    }
    return ored;
}

typedef struct {
    // The value is high * 2^16 + low, with low below 2^16.
    uint32_t high;
    uint32_t low;
} split_sum;

// Weighted mean of power, Q16. A filter's weights sum to 65535, so neither half overflows.
static split_sum filter(const tk_fft_bin *bins, const uint16_t *weights, uint32_t n)
{
    split_sum sum = {0, 0};
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t power = bins[i].power;
        sum.high += (power >> 16) * weights[i];
        sum.low += (power & 0xFFFFu) * weights[i];
    }
    sum.high += sum.low >> 16;
    sum.low &= 0xFFFFu;
    return sum;
}

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
    memcpy(s->samples + s->filled, samples, taken * sizeof *samples);
    s->filled = (uint16_t)(s->filled + taken);
    return taken;
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
    const uint32_t ored = load(params, state, left);
    const int32_t right = tk_fft_power(&params->fft, state->bins, ored);
    log_energies(params, state, right - (int32_t)left);
    state->filled = (uint16_t)(params->window - params->hop);
    memmove(state->samples, state->samples + params->hop, state->filled * sizeof *state->samples);
    return true;
}
