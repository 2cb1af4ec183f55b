// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/imu.py.
#include "tinykit/imu.h"

void tk_imu_reset(tk_imu_state *state)
{
    state->rows = 0;
}

size_t tk_imu_push(const tk_imu_params *params, tk_imu_state *state, const int16_t *samples,
                   size_t n_samples, int8_t *rows_out)
{
    for (size_t i = 0; i < n_samples; ++i) {
        for (uint32_t c = 0; c < params->channels; ++c) {
            *rows_out++ = tk_affine(&params->affine[c], *samples++);
        }
    }
    state->rows += (uint32_t)n_samples;
    return n_samples;
}
