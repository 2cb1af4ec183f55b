// SPDX-License-Identifier: Apache-2.0
// Captures of sound that comes as rows of bits: the first row with a bit in it opens one, silence
// ends it. In between, a ring of packed rows keeps the newest window.
#ifndef TINYKIT_CAPTURE_H
#define TINYKIT_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tinykit/window.h"

typedef struct {
    // Windows of packed rows: row_length are the bytes of one.
    tk_window_params window;
    // Bits of a row.
    uint32_t lines;
    // Rows of silence that the first window begins with, less than its rows. They lie before the
    // row that opens a capture, and are known to be empty.
    uint32_t lead;
    // Empty rows, at least 1, after which a capture ends, once a window is complete.
    uint32_t silence;
} tk_capture_params;

typedef struct {
    tk_window_state window;
    // Rows of this capture so far, and the empty ones that it ends with.
    uint32_t rows, quiet;
    // Whether a capture goes on, and whether it has had a window.
    bool open, decided;
} tk_capture_state;

// Ends the capture: the next row with a bit in it opens another.
void tk_capture_reset(tk_capture_state *state);

// Takes one packed row. Returns whether it completes a window; state->open then says whether the
// capture goes on.
bool tk_capture_push(const tk_capture_params *params, tk_capture_state *state, int8_t *ring,
                     const uint8_t *row);

// Writes the window to `features` as -1 and 1, oldest row first. The ring stays as it is.
void tk_capture_read(const tk_capture_params *params, const tk_capture_state *state,
                     const int8_t *ring, int8_t *features);

#endif
