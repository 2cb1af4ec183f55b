// SPDX-License-Identifier: Apache-2.0
// 2-D convolution; a 1-D one has width 1.
#ifndef TINYKIT_CONV2D_H
#define TINYKIT_CONV2D_H

#include <stdint.h>

#include "tinykit/matmul.h"
#include "tinykit/status.h"

typedef struct {
    // Input size in pixels and channels.
    uint16_t in_height, in_width, in_channels;
    // Output size in pixels; the channels stand in `matmul`.
    uint16_t out_height, out_width;
    // Kernel size in pixels.
    uint8_t kernel_height, kernel_width;
    // Steps of the kernel in pixels, at least 1.
    uint8_t stride_height, stride_width;
    // Distance of neighbouring kernel taps in pixels, at least 1.
    uint8_t dilation_height, dilation_width;
    // Rows above and columns left of the input that are read as the zero point.
    uint8_t pad_top, pad_left;
    // Width of an input value in bits: 8, 4 or 2.
    uint8_t in_bits;
    // The input integer that stands for 0.0.
    int8_t in_zero_point;
    // Weights in the order kernel row, kernel column, input channel, and what follows.
    tk_matmul matmul;
} tk_conv2d_params;

// Convolves `in` into `out`. `scratch` holds two columns, 4 * matmul.length bytes, aligned to four.
typedef tk_status tk_conv2d_run(const tk_conv2d_params *p, const void *in, void *out,
                                void *scratch);
tk_conv2d_run tk_conv2d_w8;
tk_conv2d_run tk_conv2d_w4;
tk_conv2d_run tk_conv2d_w2;

// The same for a kernel of one pixel, stride 1 and no padding: each pixel is a column.
tk_conv2d_run tk_pointwise_w8;
tk_conv2d_run tk_pointwise_w4;
tk_conv2d_run tk_pointwise_w2;

#endif
