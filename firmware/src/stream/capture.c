// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/streaming.py.
#include "tinykit/capture.h"

#include <stddef.h>
#include <string.h>

#include "tinykit/packing.h"

void tk_capture_reset(tk_capture_state *state)
{
    state->open = false;
}

static bool is_empty(const uint8_t *row, uint32_t bytes)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < bytes; ++i) {
        any |= row[i];
    }
    return any == 0;
}

static void begin(const tk_capture_params *params, tk_capture_state *state, int8_t *ring)
{
    memset(ring, 0, (size_t)params->window.rows * params->window.row_length);
    tk_window_reset(&params->window, &state->window);
    state->window.left -= params->lead;
    state->rows = 0;
    state->quiet = 0;
    state->decided = false;
}

bool tk_capture_push(const tk_capture_params *params, tk_capture_state *state, int8_t *ring,
                     const uint8_t *row)
{
    const bool empty = is_empty(row, params->window.row_length);
    if (!state->open) {
        if (empty) {
            return false;
        }
        begin(params, state, ring);
    }
    ++state->rows;
    state->quiet = empty ? state->quiet + 1 : 0;
    const bool complete =
        tk_window_push(&params->window, &state->window, ring, (const int8_t *)row);
    state->decided = state->decided || complete;
    state->open = !state->decided || state->quiet < params->silence;
    return complete;
}

void tk_capture_read(const tk_capture_params *params, const tk_capture_state *state,
                     const int8_t *ring, int8_t *features)
{
    uint32_t at = state->window.next;
    for (uint32_t row = 0; row < params->window.rows; ++row) {
        const int8_t *packed = ring + (size_t)at * params->window.row_length;
        tk_unpack_pixel((const uint8_t *)packed, params->lines, 1, features);
        features += params->lines;
        at = at + 1 == params->window.rows ? 0 : at + 1;
    }
}
