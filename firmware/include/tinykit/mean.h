// SPDX-License-Identifier: Apache-2.0
// Means over any axes of a tensor of 8 bits.
//
// An output is a staircase over the sum of what it is the mean of, whatever the formula of the
// mean. The generator looks for a line that has the very same steps; where there is none, the steps
// are searched.
#ifndef TINYKIT_MEAN_H
#define TINYKIT_MEAN_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // The sums that each step of the output needs at least, ascending, `range` of them; null where
    // the outputs lie along a line.
    const int32_t *steps;
    // Groups of outputs, and the input's bytes from one group to the next.
    uint32_t groups, group_step;
    // Outputs of a group, and the input's bytes from one to the next.
    uint32_t outputs, output_step;
    // Lines of values that an output is the mean of, and bytes from one to the next.
    uint32_t lines, line_step;
    // Values of a line, and bytes from one to the next.
    uint32_t taps, tap_step;
    // The line: a sum, shifted to the left by `left`, times `factor` / 2^32, plus `offset`, shifted
    // to the right by `shift`.
    int32_t factor, offset;
    // 0 to 30.
    uint8_t left, shift;
    // The least output, inclusive.
    int8_t low;
    // How far the greatest output lies above the least.
    uint8_t range;
} tk_mean_params;

// The output may be written over the input.
tk_status tk_mean(const tk_mean_params *p, const void *in, void *out);

// The same for one line, and outputs side by side in words: `outputs`, `group_step` and `tap_step`
// are multiples of four, and so is the address of the input.
tk_status tk_mean_words(const tk_mean_params *p, const void *in, void *out);

// Layers call them through these.
tk_layer_run tk_mean_run;
tk_layer_run tk_mean_words_run;

#endif
