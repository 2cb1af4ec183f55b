// SPDX-License-Identifier: Apache-2.0
// A reshape that moves the byte boundaries of pixels; all others cost nothing and have no code.
#ifndef TINYKIT_REPACK_H
#define TINYKIT_REPACK_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // Values in all.
    uint32_t values;
    // Channels of a pixel before and after.
    uint32_t in_channels, out_channels;
    // Width of a value in bits, 4, 2 or 1.
    uint8_t bits;
} tk_repack_params;

// Copies `in` to `out` under the new boundaries.
tk_status tk_repack(const tk_repack_params *p, const void *in, void *out);

// Layers call it through this.
tk_layer_run tk_repack_run;

#endif
