// SPDX-License-Identifier: Apache-2.0
// A front end as the program around it sees it: int16 samples in, int8 feature rows out.
#ifndef TINYKIT_FRONTEND_H
#define TINYKIT_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    // Interleaved channels of a sample.
    uint32_t channels;
    // Samples of each channel to push at a time; a clip's last push may be shorter.
    uint32_t hop;
    // int8 features in a row.
    uint32_t row_length;
    // Where the samples of one push, and the rows that it completes, may lie.
    int16_t *samples;
    int8_t *rows;
} tk_frontend_format;

// The front end of this firmware; generated.
extern const tk_frontend_format tk_frontend;

// Forgets all samples: the next push starts a recording.
void tk_frontend_reset(void);

// Takes all of `n_samples` samples of all channels and writes a row for each that they complete.
// Returns the number of rows written.
size_t tk_frontend_push(const int16_t *samples, size_t n_samples, int8_t *rows);

#endif
