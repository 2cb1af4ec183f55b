// SPDX-License-Identifier: Apache-2.0
// Values of 8 bits to values of one bit, by a threshold a channel.
#ifndef TINYKIT_BINARIZE_H
#define TINYKIT_BINARIZE_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // For each channel, in the low half, how many of the 256 inputs give +1: the greatest ones, or
    // the least ones. The high half is 0x80 or 0x7f: what a byte is exclusive-ored with so that
    // the inputs are ordered from 0 to 255, with those that give +1 last.
    const int32_t *rules;
    uint32_t pixels;
    uint32_t channels;
} tk_binarize_params;

// The output may start where the input starts, or before.
tk_status tk_binarize(const tk_binarize_params *p, const void *in, void *out);

// Layers call it through this.
tk_layer_run tk_binarize_run;

#endif
