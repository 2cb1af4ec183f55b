// SPDX-License-Identifier: Apache-2.0
// A tensor of 8 bits whose negative values are multiplied by slopes, which may be broadcast. The
// result is that of TensorFlow Lite's int8 PRELU, bit for bit, and may be written over the first
// input, and over the slopes where they have the same shape.
#ifndef TINYKIT_PRELU_H
#define TINYKIT_PRELU_H

#include <stdint.h>

#include "tinykit/broadcast.h"
#include "tinykit/layer.h"
#include "tinykit/product.h"
#include "tinykit/status.h"

typedef struct {
    // How the values meet the slopes.
    tk_broadcast shape;
    // What a value becomes that is not below zero, and what the product with a slope becomes.
    tk_product positive, negative;
    // The integers that stand for 0.0, of the values and the slopes.
    int8_t zero_point_a, zero_point_b;
    // The least output, inclusive.
    int8_t low;
    // How far the greatest output lies above the least.
    uint8_t range;
} tk_prelu_params;

tk_status tk_prelu(const tk_prelu_params *p, const void *a, const void *b, void *out);

// Layers call it through this.
tk_layer_run tk_prelu_run;

#endif
