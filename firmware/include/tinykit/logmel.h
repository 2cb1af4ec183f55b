// SPDX-License-Identifier: Apache-2.0
// Streaming log mel energies, int16 samples to int8 rows.
#ifndef TINYKIT_LOGMEL_H
#define TINYKIT_LOGMEL_H

#include "tinykit/affine.h"
#include "tinykit/spectral.h"

typedef struct {
    tk_spectral_params spectral;
    // spectral.n_mels entries.
    const tk_affine_column *affine;
} tk_logmel_params;

typedef tk_spectral_state tk_logmel_state;

// Starts a new recording.
void tk_logmel_reset(tk_logmel_state *state);

// Takes all `n_samples` and writes one row of n_mels for each frame they complete.
// Returns the number of rows, at most n_samples / hop + 1.
size_t tk_logmel_push(const tk_logmel_params *params, tk_logmel_state *state,
                      const int16_t *samples, size_t n_samples, int8_t *rows_out);

#endif
