// SPDX-License-Identifier: Apache-2.0
// Sliding windows over rows of features: a ring that keeps the newest ones.
#ifndef TINYKIT_WINDOW_H
#define TINYKIT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    // Rows of a window, and int8 features of a row; the ring has as many bytes as their product.
    uint32_t rows, row_length;
    // Rows from the start of one window to the start of the next, at least 1. Windows overlap where
    // it is less than `rows`.
    uint32_t hop;
} tk_window_params;

typedef struct {
    // Where the next row goes, which is where the oldest one lies once the ring is full.
    uint32_t next;
    // Rows until the next window is complete.
    uint32_t left;
} tk_window_state;

// Forgets all rows: the next window is complete after params->rows pushes.
void tk_window_reset(const tk_window_params *params, tk_window_state *state);

// Takes one row. Returns whether it completes a window.
bool tk_window_push(const tk_window_params *params, tk_window_state *state, int8_t *ring,
                    const int8_t *row);

// Copies the window to `features`, oldest row first. The ring stays as it is.
void tk_window_read(const tk_window_params *params, const tk_window_state *state,
                    const int8_t *ring, int8_t *features);

#endif
