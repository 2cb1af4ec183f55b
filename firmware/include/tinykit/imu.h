// SPDX-License-Identifier: Apache-2.0
// Inertial samples, each channel normalised to int8.
#ifndef TINYKIT_IMU_H
#define TINYKIT_IMU_H

#include <stddef.h>
#include <stdint.h>

#include "tinykit/affine.h"

typedef struct {
    // Channels, interleaved in the samples and in a row.
    uint16_t channels;
    // `channels` entries.
    const tk_affine_column *affine;
} tk_imu_params;

typedef struct {
    // Rows since the reset; each row stands alone, so nothing else is kept.
    uint32_t rows;
} tk_imu_state;

// Starts a new window.
void tk_imu_reset(tk_imu_state *state);

// Writes one row for each of `n_samples` samples of all channels. Returns n_samples.
size_t tk_imu_push(const tk_imu_params *params, tk_imu_state *state, const int16_t *samples,
                   size_t n_samples, int8_t *rows_out);

#endif
