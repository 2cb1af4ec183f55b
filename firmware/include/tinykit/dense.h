// SPDX-License-Identifier: Apache-2.0
// Fully connected layer.
#ifndef TINYKIT_DENSE_H
#define TINYKIT_DENSE_H

#include <stdint.h>

#include "tinykit/matmul.h"
#include "tinykit/status.h"

typedef struct {
    // Input features.
    uint16_t in_features;
    // Width of an input value in bits: 8, 4 or 2.
    uint8_t in_bits;
    // Weights, one row an output feature, and what follows.
    tk_matmul matmul;
} tk_dense_params;

// Multiplies `in` into `out`. `scratch` holds one column, 2 * matmul.length bytes, aligned to four.
typedef tk_status tk_dense_run(const tk_dense_params *p, const void *in, void *out, void *scratch);
tk_dense_run tk_dense_w8;
tk_dense_run tk_dense_w4;
tk_dense_run tk_dense_w2;

#endif
