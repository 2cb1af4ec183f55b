// SPDX-License-Identifier: Apache-2.0
// Layers whose weights and inputs are -1 and +1, a bit each: convolution of any kernel, the
// pointwise one included, and dense layers, which are a convolution over one pixel.
//
// A product is +1 where both bits are equal. So with n weights a sum is n - 2 * count, where count
// is the number of ones in input ^ weights. What a pixel sees of the input is first laid side by
// side in scratch memory (the window); the weights of all output channels are then held against it.
#ifndef TINYKIT_BINARY_H
#define TINYKIT_BINARY_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/requantize.h"
#include "tinykit/status.h"

typedef struct tk_binary_params tk_binary_params;

// Holds the weights against a window, which it may spoil, and writes one output pixel.
typedef void tk_binary_count(const tk_binary_params *p, uint32_t *window, uint8_t *out);

struct tk_binary_params {
    // Input size in pixels.
    uint16_t in_height, in_width;
    // Bytes from one input pixel to the next.
    uint16_t pixel_bytes;
    // Output size in pixels.
    uint16_t out_height, out_width;
    // Kernel rows, and runs in a kernel row: a run is a whole kernel row or, where the taps are
    // dilated, a single tap.
    uint8_t kernel_height, runs;
    // Input pixels in a run.
    uint8_t run_pixels;
    // Steps of the kernel in pixels, at least 1.
    uint8_t stride_height, stride_width;
    // Distance of neighbouring kernel rows, and of neighbouring runs, in pixels.
    uint8_t dilation_height, dilation_width;
    // Rows above and columns left of the input; they are read as -1, that is as zero bits.
    uint8_t pad_top, pad_left;
    // The bits that `words` takes as a number, for tk_binary_lanes.
    uint8_t digits;
    // Output channels.
    uint16_t channels;
    // Words in a window; the bits beyond the weights are zero, in the weights too.
    uint16_t words;
    // Counts, and writes what becomes of the counts.
    tk_binary_count *count;
    // What becomes of a sum; its `bits` may be 1 here, and then nothing else counts.
    tk_output output;
    // The weights and what follows each count, in the order in which `count` reads them;
    // tinykit/codegen/binary.py lays them out.
    const uint32_t *stream;
};

// Convolves `in` into `out`. `scratch` holds the window, 4 * words bytes, aligned to four; so is
// `in` where pixel_bytes is a multiple of four.
//
// `out` may overlap `in` where tinykit/codegen/overlap.py says so.
tk_status tk_binary(const tk_binary_params *p, const void *in, void *out, void *scratch);

// Outputs of one bit, 32 channels side by side.
tk_binary_count tk_binary_lanes;

// Row after row, for one number of words; outputs have one bit (bits), or more (values). `chained`
// ones count with full adders; `plain` ones count each word where the core has an instruction for
// it. For each channel the stream has its row, then a limit: the output is +1 where the count is
// below it; of each 32 channels the last comes first. For values the row is followed by n + bias,
// the multiplier and the shift instead.
#define TK_BINARY_WORDS(X, kind)                                                                   \
    X(kind, 1)                                                                                     \
    X(kind, 2)                                                                                     \
    X(kind, 3)                                                                                     \
    X(kind, 4)                                                                                     \
    X(kind, 5)                                                                                     \
    X(kind, 6)                                                                                     \
    X(kind, 7)                                                                                     \
    X(kind, 8)                                                                                     \
    X(kind, 9)                                                                                     \
    X(kind, 10)                                                                                    \
    X(kind, 12)                                                                                    \
    X(kind, 14)                                                                                    \
    X(kind, 16)                                                                                    \
    X(kind, 18)                                                                                    \
    X(kind, 20)                                                                                    \
    X(kind, 24)                                                                                    \
    X(kind, 32)
#define TK_BINARY_DECLARE(kind, words)                                                             \
    tk_binary_count tk_binary_##kind##_bits_##words, tk_binary_##kind##_values_##words;
TK_BINARY_WORDS(TK_BINARY_DECLARE, chained)
TK_BINARY_WORDS(TK_BINARY_DECLARE, plain)
#undef TK_BINARY_DECLARE

// The same for any multiple of four words.
tk_binary_count tk_binary_chained_bits, tk_binary_chained_values;
tk_binary_count tk_binary_plain_bits, tk_binary_plain_values;

// Layers call it through this.
tk_layer_run tk_binary_run;

#endif
