// SPDX-License-Identifier: Apache-2.0
// Any function of one value of 8 bits, from a table.
#ifndef TINYKIT_LOOKUP_H
#define TINYKIT_LOOKUP_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // 256 outputs: those of the inputs 0 to 127, then those of -128 to -1.
    const uint8_t *table;
    // Values of the tensor.
    uint32_t values;
} tk_lookup_params;

// The output may be written over the input.
tk_status tk_lookup(const tk_lookup_params *p, const void *in, void *out);

// Layers call it through this.
tk_layer_run tk_lookup_run;

#endif
