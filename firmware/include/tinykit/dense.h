// SPDX-License-Identifier: Apache-2.0
// Fully connected layer.
#ifndef TINYKIT_DENSE_H
#define TINYKIT_DENSE_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/matmul.h"
#include "tinykit/status.h"

typedef struct {
    // Input features.
    uint16_t in_features;
    // Puts the features into one column.
    tk_expand *expand;
    // Multiplies it.
    tk_multiply *multiply;
    // Weights, one row an output feature, and what follows.
    tk_matmul matmul;
} tk_dense_params;

// Multiplies `in` into `out`, which may be the same. `scratch` is aligned to four and holds the
// column.
tk_status tk_dense(const tk_dense_params *p, const void *in, void *out, void *scratch);

// Layers call it through this.
tk_layer_run tk_dense_run;

#endif
