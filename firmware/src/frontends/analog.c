// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/analog/fixed_point.py.
#include "tinykit/analog.h"

#define COEFFICIENT_BITS 29
#define SIGNAL_BITS 13
#define LEVEL_BITS 15

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

// One sample, with its bits below the point.
static int64_t widened(int16_t sample)
{
    return (int64_t)sample * (1 << SIGNAL_BITS);
}

static void filter(const tk_analog_filter *f, uint32_t envelope_shift, const tk_analog_state *state,
                   const int16_t *samples, uint32_t n, tk_analog_channel *channel)
{
    tk_analog_channel c = *channel;
    int64_t x1 = widened(state->x1);
    int64_t x2 = widened(state->x2);
    for (uint32_t i = 0; i < n; ++i) {
        const int64_t x = widened(samples[i]);
        const int64_t sum = f->b0 * x + f->b1 * x1 + f->b2 * x2 - (int64_t)f->a1 * c.y1 -
                            (int64_t)f->a2 * c.y2 + (1 << (COEFFICIENT_BITS - 1));
        const int32_t y = (int32_t)(sum >> COEFFICIENT_BITS);
        x2 = x1;
        x1 = x;
        c.y2 = c.y1;
        c.y1 = y;
        c.envelope += ((y < 0 ? -y : y) - c.envelope) >> envelope_shift;
        c.peak = larger(c.peak, c.envelope);
    }
    *channel = c;
}

static void filter_all(const tk_analog_params *p, tk_analog_state *state, const int16_t *samples,
                       uint32_t n)
{
    for (uint32_t i = 0; i < p->n_filters; ++i) {
        filter(&p->filters[i], p->envelope_shift, state, samples, n, &state->channels[i]);
    }
    state->x2 = n > 1 ? samples[n - 2] : state->x1;
    state->x1 = samples[n - 1];
    state->filled += n;
}

static void follow(const tk_analog_params *p, tk_analog_state *state)
{
    state->reference -= state->reference >> p->decay_shift;
    for (uint32_t i = 0; i < p->n_filters; ++i) {
        state->reference = larger(state->reference, state->channels[i].peak);
    }
}

static void write_row(const tk_analog_params *p, tk_analog_state *state, int8_t *row)
{
    if (p->adaptive) {
        follow(p, state);
    }
    for (uint32_t i = 0; i < p->n_filters; ++i) {
        tk_analog_channel *c = &state->channels[i];
        int32_t threshold = p->filters[i].level;
        if (p->adaptive) {
            threshold = (int32_t)(((int64_t)threshold * state->reference) >> LEVEL_BITS);
        }
        threshold = larger(threshold, p->floor) - (c->bit > 0 ? p->hysteresis : 0);
        c->bit = c->peak > threshold ? 1 : -1;
        c->peak = 0;
        row[i] = (int8_t)c->bit;
    }
    state->filled = 0;
}

void tk_analog_reset(const tk_analog_params *params, tk_analog_state *state)
{
    for (uint32_t i = 0; i < params->n_filters; ++i) {
        state->channels[i] = (tk_analog_channel){.bit = -1};
    }
    state->x1 = 0;
    state->x2 = 0;
    state->filled = 0;
    state->reference = 0;
}

size_t tk_analog_push(const tk_analog_params *params, tk_analog_state *state,
                      const int16_t *samples, size_t n_samples, int8_t *rows_out)
{
    size_t rows = 0;
    while (n_samples > 0) {
        const uint32_t room = params->hop - state->filled;
        const uint32_t n = n_samples < room ? (uint32_t)n_samples : room;
        filter_all(params, state, samples, n);
        samples += n;
        n_samples -= n;
        if (state->filled == params->hop) {
            write_row(params, state, rows_out + rows * params->n_filters);
            ++rows;
        }
    }
    return rows;
}
