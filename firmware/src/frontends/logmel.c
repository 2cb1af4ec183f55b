// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/logmel.py.
#include "tinykit/logmel.h"

void tk_logmel_reset(tk_logmel_state *state)
{
    tk_spectral_reset(state);
}

size_t tk_logmel_push(const tk_logmel_params *params, tk_logmel_state *state,
                      const int16_t *samples, size_t n_samples, int8_t *rows_out)
{
    size_t rows = 0;
    while (tk_spectral_take(&params->spectral, state, &samples, &n_samples)) {
        for (uint32_t m = 0; m < params->spectral.n_mels; ++m) {
            *rows_out++ = tk_affine(&params->affine[m], state->energies[m]);
        }
        ++rows;
    }
    return rows;
}
