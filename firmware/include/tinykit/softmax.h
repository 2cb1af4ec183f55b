// SPDX-License-Identifier: Apache-2.0
// Softmax over the channels of a tensor of 8 bits. The result is that of TensorFlow Lite's int8
// reference kernel, bit for bit; its exponentials come from a table.
#ifndef TINYKIT_SOFTMAX_H
#define TINYKIT_SOFTMAX_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // exp(-distance * scale) in units of 2^-31, for distances from the greatest value of a pixel.
    const int32_t *exponentials;
    // Entries of the table, 1 to 256; what lies further below the greatest value gives 0.
    uint32_t distances;
    // Pixels.
    uint32_t pixels;
    // Values of a pixel, at most 4095.
    uint32_t channels;
} tk_softmax_params;

// The output may be written over the input.
tk_status tk_softmax(const tk_softmax_params *p, const void *in, void *out);

// Layers call it through this.
tk_layer_run tk_softmax_run;

#endif
