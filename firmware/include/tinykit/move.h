// SPDX-License-Identifier: Apache-2.0
// What moves bytes and changes none: parts of tensors, borders around them, tensors side by side,
// axes exchanged. All are runs of bytes that lie in some order in the input and in some in the
// output.
#ifndef TINYKIT_MOVE_H
#define TINYKIT_MOVE_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // Bytes of a run, at least 1.
    uint32_t run;
    // Runs of a line, lines of a block, and blocks, each at least 1.
    uint32_t runs, lines, blocks;
    // Bytes from one run, line and block to the next, in the input.
    int32_t run_from, line_from, block_from;
    // The same in the output.
    int32_t run_to, line_to, block_to;
    // Where the first run starts in the input and in the output, in bytes.
    uint32_t from, to;
} tk_move_params;

typedef struct {
    // Where the input goes.
    tk_move_params move;
    // Bytes of the output.
    uint32_t bytes;
    // What stands where no input goes.
    int8_t value;
} tk_pad_params;

// Where no step is negative, and no run starts nearer to the start of its tensor in the input than
// in the output, the output may be written over the input.
tk_status tk_move(const tk_move_params *p, const void *in, void *out);

// The same into an output that is filled first.
tk_status tk_pad(const tk_pad_params *p, const void *in, void *out);

// Layers call them through these.
tk_layer_run tk_move_run;
tk_layer_run tk_pad_run;

#endif
