// SPDX-License-Identifier: Apache-2.0
// Streaming mel-frequency cepstral coefficients, int16 samples to int8 rows.
#ifndef TINYKIT_MFCC_H
#define TINYKIT_MFCC_H

#include "tinykit/affine.h"
#include "tinykit/spectral.h"

typedef struct {
    tk_spectral_params spectral;
    // Coefficients in a row.
    uint16_t n_coefficients;
    // n_coefficients rows of spectral.n_mels: the orthonormal DCT-II in Q13.
    const int16_t *dct;
    // n_coefficients entries.
    const tk_affine_column *affine;
} tk_mfcc_params;

typedef tk_spectral_state tk_mfcc_state;

// Starts a new recording.
void tk_mfcc_reset(tk_mfcc_state *state);

// Takes all `n_samples` and writes one row of n_coefficients for each frame they complete.
// Returns the number of rows, at most n_samples / hop + 1.
size_t tk_mfcc_push(const tk_mfcc_params *params, tk_mfcc_state *state, const int16_t *samples,
                    size_t n_samples, int8_t *rows_out);

#endif
