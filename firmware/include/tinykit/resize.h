// SPDX-License-Identifier: Apache-2.0
// Height and width of a tensor of 8 bits changed, each pixel of the output being one of the input.
#ifndef TINYKIT_RESIZE_H
#define TINYKIT_RESIZE_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // The input's row of each row of the output.
    const uint16_t *rows;
    // The input's column of each column of the output.
    const uint16_t *columns;
    // Output size in pixels.
    uint32_t out_height, out_width;
    // Pixels of a row of the input.
    uint32_t in_width;
    // Bytes of a pixel.
    uint32_t pixel_bytes;
} tk_resize_nearest_params;

tk_status tk_resize_nearest(const tk_resize_nearest_params *p, const void *in, void *out);

// Layers call it through this.
tk_layer_run tk_resize_nearest_run;

#endif
