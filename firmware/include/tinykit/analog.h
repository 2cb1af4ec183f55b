// SPDX-License-Identifier: Apache-2.0
// A binary filter bank without its analog part: int16 samples to rows of -1 and 1.
#ifndef TINYKIT_ANALOG_H
#define TINYKIT_ANALOG_H

#include <stddef.h>
#include <stdint.h>

// A band-pass and its comparator.
typedef struct {
    // y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2], Q29; b0 + b1 + b2 = 0.
    int32_t b0;
    int32_t b1;
    int32_t b2;
    int32_t a1;
    int32_t a2;
    // The threshold: an envelope, or, where they adapt, a share of the reference in Q15.
    int32_t level;
} tk_analog_filter;

typedef struct {
    uint16_t n_filters;
    // Samples that one row stands for.
    uint16_t hop;
    // An envelope takes 1 / 2^envelope_shift of what it differs by at each sample.
    uint8_t envelope_shift;
    // Whether levels are shares of the largest envelope so far, which loses
    // 1 / 2^decay_shift of itself a hop.
    uint8_t adaptive;
    uint8_t decay_shift;
    // The least threshold, an envelope.
    int32_t floor;
    // A bit that is set stays until the envelope is so far below the threshold.
    int32_t hysteresis;
    const tk_analog_filter *filters;
} tk_analog_params;

// One filter's signals: int16 steps with 13 bits below the point.
typedef struct {
    int32_t y1;
    int32_t y2;
    int32_t envelope;
    // The largest envelope of this hop.
    int32_t peak;
    // The last bit, -1 or 1.
    int32_t bit;
} tk_analog_channel;

typedef struct {
    // n_filters entries.
    tk_analog_channel *channels;
    // The last two samples.
    int16_t x1;
    int16_t x2;
    // Samples of this hop so far.
    uint32_t filled;
    int32_t reference;
} tk_analog_state;

// Starts a new recording.
void tk_analog_reset(const tk_analog_params *params, tk_analog_state *state);

// Takes all `n_samples` and writes one row of n_filters for each hop that they complete.
// Returns the number of rows, at most n_samples / hop + 1.
size_t tk_analog_push(const tk_analog_params *params, tk_analog_state *state,
                      const int16_t *samples, size_t n_samples, int8_t *rows_out);

#endif
