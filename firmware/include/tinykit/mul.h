// SPDX-License-Identifier: Apache-2.0
// The product of two tensors of 8 bits, of which the second may be broadcast. The result is that of
// TensorFlow Lite's int8 MUL, bit for bit, and may be written over the first input, and over the
// second where that has the same shape.
#ifndef TINYKIT_MUL_H
#define TINYKIT_MUL_H

#include <stdint.h>

#include "tinykit/broadcast.h"
#include "tinykit/layer.h"
#include "tinykit/product.h"
#include "tinykit/status.h"

typedef struct {
    // How the inputs meet.
    tk_broadcast shape;
    // What a product becomes.
    tk_product scale;
    // The integers that stand for 0.0, of the inputs.
    int8_t zero_point_a, zero_point_b;
    // The least output, inclusive.
    int8_t low;
    // How far the greatest output lies above the least.
    uint8_t range;
} tk_mul_params;

// For products times a factor below one half.
tk_status tk_mul(const tk_mul_params *p, const void *a, const void *b, void *out);

// For any factor.
tk_status tk_mul_steep(const tk_mul_params *p, const void *a, const void *b, void *out);

// Layers call them through these.
tk_layer_run tk_mul_run;
tk_layer_run tk_mul_steep_run;

#endif
