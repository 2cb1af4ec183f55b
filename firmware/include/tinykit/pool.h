// SPDX-License-Identifier: Apache-2.0
// Pooling: mean or maximum over the pixels of a window that lie inside the input.
#ifndef TINYKIT_POOL_H
#define TINYKIT_POOL_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // Input size in pixels.
    uint16_t in_height, in_width;
    // Output size in pixels.
    uint16_t out_height, out_width;
    // Channels of both.
    uint16_t channels;
    // Window size in pixels; every window must touch the input.
    uint16_t kernel_height, kernel_width;
    // Steps of the window in pixels, at least 1.
    uint16_t stride_height, stride_width;
    // Rows above and columns left of the input; they do not count.
    uint8_t pad_top, pad_left;
    // Width of a value in bits, 8, 4 or 2, the same in and out; 1 for tk_maxpool2d_bits.
    uint8_t bits;
} tk_pool_params;

// Mean, rounded half away from zero.
tk_status tk_avgpool2d(const tk_pool_params *p, const void *in, void *out);

// The same for values of 4 or 2 bits.
tk_status tk_avgpool2d_narrow(const tk_pool_params *p, const void *in, void *out);

// Maximum.
tk_status tk_maxpool2d(const tk_pool_params *p, const void *in, void *out);

// Maximum of values of one bit.
tk_status tk_maxpool2d_bits(const tk_pool_params *p, const void *in, void *out);

// Layers call them through these.
tk_layer_run tk_avgpool2d_run;
tk_layer_run tk_avgpool2d_narrow_run;
tk_layer_run tk_maxpool2d_run;
tk_layer_run tk_maxpool2d_bits_run;

#endif
