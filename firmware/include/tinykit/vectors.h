// SPDX-License-Identifier: Apache-2.0
// What a firmware tests itself with: inputs and what Python computed from them.
#ifndef TINYKIT_VECTORS_H
#define TINYKIT_VECTORS_H

#include <stdint.h>

typedef struct {
    // Inputs of the model, and recordings.
    uint32_t count, clips;
    // Inputs one after another, and the scores that each must give.
    const int8_t *features, *scores;
    // int16 values of one recording, channels interleaved.
    uint32_t clip_values;
    // Recordings one after another, the CRC-32 of the features of each, and the scores that each
    // must give.
    const int16_t *samples;
    const uint32_t *features_crc;
    const int8_t *clip_scores;
} tk_vectors;

// Those of this firmware; generated.
extern const tk_vectors tk_self_test;

#endif
