// SPDX-License-Identifier: Apache-2.0
// Depthwise 2-D convolution: each output channel sees one input channel.
#ifndef TINYKIT_DEPTHWISE_H
#define TINYKIT_DEPTHWISE_H

#include <stdint.h>

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
    // Width of an input value in bits: 8, 4 or 2.
    uint8_t in_bits;
    // The input integer that stands for 0.0.
    int8_t in_zero_point;
    // Packed weights: for each group of four channels its taps in turn, the last group filled up
    // with zeros. tinykit/codegen/pack.py gives the order inside a word, which differs between
    // cores with and without DSP instructions.
    const uint32_t *weight;
    // What follows each sum.
    tk_requantize requantize;
} tk_depthwise_params;

// Convolves `in` into `out`, which lie in one array with `scratch`. `scratch` is aligned to four
// and has, with T taps rounded up to even and C output channels rounded up to a multiple of four,
// 4 T + C bytes where `channels` == `in_channels`, a multiple of four, of 8 bits; otherwise
// 4 T + T C bytes.
typedef tk_status tk_depthwise_run(const tk_depthwise_params *p, const void *in, void *out,
                                   void *scratch);
tk_depthwise_run tk_depthwise_w8;
tk_depthwise_run tk_depthwise_w4;
tk_depthwise_run tk_depthwise_w2;

#endif
