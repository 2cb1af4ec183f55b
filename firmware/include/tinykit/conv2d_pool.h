// SPDX-License-Identifier: Apache-2.0
// A convolution whose output is pooled at once, a strip at a time, so that it never exists as a
// whole.
#ifndef TINYKIT_CONV2D_POOL_H
#define TINYKIT_CONV2D_POOL_H

#include <stdint.h>

#include "tinykit/conv2d.h"
#include "tinykit/layer.h"
#include "tinykit/pool.h"

typedef struct {
    // The convolution; its `backward` is 0.
    const tk_conv2d_params *conv;
    // The pooling of one strip.
    const tk_pool_params *pool;
    // tk_avgpool2d or tk_maxpool2d.
    tk_status (*run_pool)(const tk_pool_params *p, const void *in, void *out);
    // Strips in the whole output.
    uint16_t strips;
    // Pixels of the convolution, and pooled ones, in a strip.
    uint16_t strip_pixels, pooled_pixels;
    // Bytes of a strip, rounded up to four.
    uint16_t strip_bytes;
    // Bytes of a pooled pixel.
    uint16_t pooled_bytes;
    // Nonzero where the last strips are computed first, so that the output may overlap the input
    // from above.
    uint8_t backward;
} tk_conv2d_pool_params;

// Convolves and pools `in` into `out`. `scratch` is aligned to four and holds a strip, then what
// the convolution asks for. `out` may overlap `in` where tinykit/codegen/overlap.py says so.
tk_status tk_conv2d_pool(const tk_conv2d_pool_params *p, const void *in, void *out, void *scratch);

// Layers call it through this.
tk_layer_run tk_conv2d_pool_run;

#endif
