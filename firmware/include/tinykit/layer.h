// SPDX-License-Identifier: Apache-2.0
// A layer of a network as data: a call of a kernel with all that it is called with. A layer that
// takes several calls is as many of these.
#ifndef TINYKIT_LAYER_H
#define TINYKIT_LAYER_H

#include <stdint.h>

#include "tinykit/status.h"

typedef struct tk_layer tk_layer;

// Calls a layer's kernel; each kernel has one, named after it.
typedef tk_status tk_layer_run(const tk_layer *layer);

struct tk_layer {
    // Calls the kernel.
    tk_layer_run *run;
    // Its constants, of the type that the kernel takes.
    const void *params;
    // Where its inputs lie, in the order in which the kernel takes them.
    const void *const *in;
    // Where its output lies.
    void *out;
    // Its scratch memory, aligned to four; null if it needs none.
    void *scratch;
    // Bytes of the output; 0 if the next call writes to it too.
    uint32_t bytes;
};

// Defines a kernel's tk_layer_run. What follows the kernel's name are its arguments after the
// constants: of layer->in[0] and so on, layer->out and layer->scratch those that it takes.
#define TK_LAYER_RUN(kernel, ...)                                                                  \
    tk_status kernel##_run(const tk_layer *layer)                                                  \
    {                                                                                              \
        return kernel(layer->params, __VA_ARGS__);                                                 \
    }

#endif
