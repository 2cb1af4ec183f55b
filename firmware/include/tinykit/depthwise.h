// SPDX-License-Identifier: Apache-2.0
// Depthwise 2-D convolution: each output channel sees one input channel.
#ifndef TINYKIT_DEPTHWISE_H
#define TINYKIT_DEPTHWISE_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/requantize.h"
#include "tinykit/status.h"

typedef struct {
    // Input size in pixels and channels.
    uint16_t in_height, in_width, in_channels;
    // Output size in pixels.
    uint16_t out_height, out_width;
    // Output channels: input channels times the depth multiplier.
    uint16_t channels;
    // Kernel size in pixels.
    uint8_t kernel_height, kernel_width;
    // Steps of the kernel in pixels, at least 1.
    uint8_t stride_height, stride_width;
    // Distance of neighbouring kernel taps in pixels, at least 1.
    uint8_t dilation_height, dilation_width;
    // Rows above and columns left of the input that are read as the zero point.
    uint8_t pad_top, pad_left;
    // Size in pixels of the input with all its padding; the width is what a row of the plane takes.
    uint16_t plane_height, plane_width;
    // Width of an input value and of a weight in bits: 8, 4 or 2.
    uint8_t in_bits, weight_bits;
    // The input integer that stands for 0.0.
    int8_t in_zero_point;
    // What becomes of each sum.
    tk_output output;
    // For each output channel its bias, multiplier and shift; then for each its taps, packed little
    // end first from a byte boundary.
    const uint32_t *stream;
} tk_depthwise_params;

// Convolves `in` into `out` one channel at a time: a channel of the input is copied with its
// padding to a plane in scratch memory and convolved there. So `out` may be `in`, if their sizes
// and widths are equal and there is no depth multiplier. `scratch` is aligned to four;
// tinykit/codegen/kernels.py knows its size.
typedef tk_status tk_depthwise_run(const tk_depthwise_params *p, const void *in, void *out,
                                   void *scratch);
tk_depthwise_run tk_dsp_depthwise, tk_plain_depthwise;
tk_depthwise_run tk_mve_depthwise, tk_mve_depthwise_3x3;
// The 3x3 kernel, not dilated, of stride 1 or 2: any values, and bytes of an even number of
// channels to as many, where every shift is 2 or more and no clamp is needed but that of the width.
tk_depthwise_run tk_dsp_depthwise_3x3_narrow, tk_dsp_depthwise_3x3;
// The same kernel from any values to bytes that need no clamp but that of the width.
tk_depthwise_run tk_dsp_depthwise_3x3_bytes;
// The same kernel for inputs and weights of 4 and 2 bits, four channels and as many outputs at a
// time, clamped at their width; the stream is another one (dsp/depthwise_folded_body.h).
tk_depthwise_run tk_dsp_depthwise_folded_a4_o4, tk_dsp_depthwise_folded_a4_o2;
tk_depthwise_run tk_dsp_depthwise_folded_a2_o4, tk_dsp_depthwise_folded_a2_o2;

// Layers call them through these.
tk_layer_run tk_dsp_depthwise_run;
tk_layer_run tk_dsp_depthwise_3x3_run;
tk_layer_run tk_dsp_depthwise_3x3_bytes_run;
tk_layer_run tk_dsp_depthwise_3x3_narrow_run;
tk_layer_run tk_dsp_depthwise_folded_a2_o2_run;
tk_layer_run tk_dsp_depthwise_folded_a2_o4_run;
tk_layer_run tk_dsp_depthwise_folded_a4_o2_run;
tk_layer_run tk_dsp_depthwise_folded_a4_o4_run;
tk_layer_run tk_mve_depthwise_run;
tk_layer_run tk_mve_depthwise_3x3_run;
tk_layer_run tk_plain_depthwise_run;

#endif
