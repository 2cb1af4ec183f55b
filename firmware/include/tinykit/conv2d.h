// SPDX-License-Identifier: Apache-2.0
// 2-D convolution of any kernel, the pointwise one included; a 1-D one has height 1.
#ifndef TINYKIT_CONV2D_H
#define TINYKIT_CONV2D_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/matmul.h"
#include "tinykit/status.h"

// Pixels in the largest group.
#define TK_MAX_GROUP 8

typedef struct {
    // Input size in pixels.
    uint16_t in_height, in_width;
    // Bytes from one input pixel to the next.
    uint16_t pixel_bytes;
    // Output size in pixels; the channels stand in `matmul`.
    uint16_t out_height, out_width;
    // Kernel rows, and runs in a kernel row: a run is what lies without gaps in the input, a whole
    // kernel row or, where pixels have spare bits or the taps are dilated, a single tap.
    uint8_t kernel_height, runs;
    // Input pixels in a run.
    uint8_t run_pixels;
    // Steps of the kernel in pixels, at least 1.
    uint8_t stride_height, stride_width;
    // Distance of neighbouring kernel rows, and of neighbouring runs, in pixels.
    uint8_t dilation_height, dilation_width;
    // Rows above and columns left of the input that are read as the zero point.
    uint8_t pad_top, pad_left;
    // Size of the input with its padding where it is copied to scratch memory before anything else,
    // which pays where many pixels stand at the border; 0 where it is read in place.
    uint16_t padded_height, padded_width;
    // Output pixels in a group.
    uint8_t group;
    // Zero points as they lie in a byte of the input.
    uint8_t blank;
    // Nonzero where the last pixels are computed first, so that the output may overlap the input
    // from above.
    uint8_t backward;
    // Values in a run.
    uint16_t run_values;
    // Bytes from where a run starts in the columns to where the next does.
    uint16_t run_step;
    // Bytes of a group's columns.
    uint16_t column_bytes;
    // Puts a run of a group's pixels into the columns.
    tk_expand *expand;
    // Multiplies a group.
    tk_multiply *multiply;
    // Weights in the order kernel row, run, value, and what follows.
    tk_matmul matmul;
} tk_conv2d_params;

// Convolves `in` into `out`. `scratch` is aligned to four and holds a group's columns,
// then for each pixel of the group a run of the input
// rounded up to four bytes, if there is padding.
//
// `out` may overlap `in` where tinykit/codegen/overlap.py says so.
tk_status tk_conv2d(const tk_conv2d_params *p, const void *in, void *out, void *scratch);

// Computes only the `count` output pixels from number `first`, to `out`; the input is never padded
// first.
void tk_conv2d_pixels(const tk_conv2d_params *p, const void *in, void *out, void *scratch,
                      uint32_t first, uint32_t count);

// Layers call it through this.
tk_layer_run tk_conv2d_run;

#endif
