// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/streaming.py.
#include "tinykit/window.h"

#include <stddef.h>
#include <string.h>

void tk_window_reset(const tk_window_params *params, tk_window_state *state)
{
    state->next = 0;
    state->left = params->rows;
}

bool tk_window_push(const tk_window_params *params, tk_window_state *state, int8_t *ring,
                    const int8_t *row)
{
    memcpy(ring + (size_t)state->next * params->row_length, row, params->row_length);
    state->next = state->next + 1 == params->rows ? 0 : state->next + 1;
    if (--state->left != 0) {
        return false;
    }
    state->left = params->hop;
    return true;
}

void tk_window_read(const tk_window_params *params, const tk_window_state *state,
                    const int8_t *ring, int8_t *features)
{
    const size_t newer = (size_t)state->next * params->row_length;
    const size_t older = (size_t)params->rows * params->row_length - newer;
    memcpy(features, ring + newer, older);
    memcpy(features + older, ring, newer);
}
