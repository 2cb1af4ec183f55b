// SPDX-License-Identifier: Apache-2.0
// Streaming log mel energies of int16 sound: what tk_mfcc and tk_logmel share.
#ifndef TINYKIT_SPECTRAL_H
#define TINYKIT_SPECTRAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tinykit/fft.h"

// The features before their affine step are Q9 octaves of power, in squared int16 steps.
typedef struct {
    tk_fft_params fft;
    // Samples in a frame, even, at most 2 * fft.points; the rest of the transform is zeros.
    uint16_t window;
    // Samples from one frame to the next, at most `window`.
    uint16_t hop;
    // Number of mel filters.
    uint16_t n_mels;
    // log2 of the power added to each filter, in [0, 24].
    uint8_t floor_bits;
    // How many bits a quiet frame is scaled up at most; (30 - floor_bits) / 2 or 15.
    uint8_t largest_shift;
    // window / 2 + 1 entries: the rising half of the periodic Hann window, Q15.
    const int16_t *taper;
    // fft.points entries: the bit-reversed index.
    const uint16_t *order;
    // n_mels entries: the first bin under each filter.
    const uint16_t *filter_first;
    // n_mels + 1 entries: where each filter's weights start, and the end.
    const uint16_t *filter_offset;
    // The filters' weights one after another; each filter's sum is 65535.
    const uint16_t *filter_weights;
} tk_spectral_params;

// The caller owns the buffers; tk_*_reset sets `filled`.
typedef struct {
    // window / 2 pairs of samples: the frame that is filling up.
    tk_fft_bin *samples;
    // fft.points entries of scratch.
    tk_fft_bin *bins;
    // n_mels entries: the log energies of the latest frame, Q9 octaves above the floor.
    int16_t *energies;
    // How many samples of the frame are there.
    uint16_t filled;
} tk_spectral_state;

// Forgets all samples.
void tk_spectral_reset(tk_spectral_state *state);

// Takes samples until a frame is whole. Advances `*samples` and lowers `*n_samples` by what it
// took. Returns true when state->energies hold a new frame, false when the samples ran out.
bool tk_spectral_take(const tk_spectral_params *params, tk_spectral_state *state,
                      const int16_t **samples, size_t *n_samples);

#endif
