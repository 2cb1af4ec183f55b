// SPDX-License-Identifier: Apache-2.0
// Long short-term memory over the steps of a signal of 8 bits, with a state of 16 bits that starts
// at zero. The result is that of TensorFlow Lite's integer reference kernel, bit for bit.
#ifndef TINYKIT_LSTM_H
#define TINYKIT_LSTM_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/requantize.h"
#include "tinykit/status.h"

typedef struct {
    // Steps.
    uint32_t steps;
    // Values of the input in a step.
    uint32_t features;
    // Values of the output in a step.
    uint32_t cells;
    // From the product of output gate and state, in units of 2^-30, to the output: a multiplier
    // from 2^30 to 2^31 - 1, or 0, and a shift to the right, 0 to 31.
    int32_t multiplier;
    uint8_t shift;
    // Bits of the state before the point, 0 to 6.
    uint8_t cell_bits;
    // The least and the greatest state.
    int16_t least, greatest;
    // Of the four gates the multipliers of their sums over the input, then shifts to the right,
    // then both of their sums over the output; as tk_output says.
    const int32_t *gates;
    // What becomes of the product.
    tk_output output;
    // For each cell the biases of its gates and their weights of the input, then the same of the
    // output of the last step. Weights come in blocks of four, those of all gates in turn.
    const uint32_t *stream;
} tk_lstm_params;

// `scratch` is aligned to four and holds two bytes a cell. Up to three bytes behind the input are
// read, and ignored.
tk_status tk_lstm(const tk_lstm_params *p, const void *in, void *out, void *scratch);

// Layers call it through this.
tk_layer_run tk_lstm_run;

#endif
