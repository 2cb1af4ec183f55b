// SPDX-License-Identifier: Apache-2.0
// The inner product of all layers that mix channels: rows of weights times columns of activations.
//
// A layer works on groups of neighbouring output pixels. For each group, an expander writes what
// the pixels see of the input side by side into scratch memory (the columns), in the form that the
// core multiplies fastest; a multiplier then runs every output channel over the whole group, so
// that a weight is fetched and unpacked once a group. Both come in variants for each width and each
// kind of core, which the generator chooses; tinykit/codegen/pack.py lays the weights out to match.
#ifndef TINYKIT_MATMUL_H
#define TINYKIT_MATMUL_H

#include <stdint.h>

#include "tinykit/requantize.h"

typedef struct {
    // For each output channel its bias, its weights, its multiplier and its shift, in the order in
    // which the multiplier reads them.
    const uint32_t *stream;
    // Values in a row, padding included.
    uint16_t length;
    // Output channels.
    uint16_t channels;
    // Values after which sums that share a register must be taken apart, a multiple of the block
    // that the multiplier reads at once; `length` where one pass is proven to fit.
    uint16_t chunk;
    // What becomes of each sum.
    tk_output output;
    // Nonzero where outputs have 8 bits and need no clamp but that of their width, and every shift
    // is 2 or more.
    uint8_t plain;
} tk_matmul;

// Writes `count` values of each pixel of a group into the columns; a pixel's values are packed from
// the byte its pointer names. Whole words may be read, so up to three bytes past the last value;
// what they give meets zero weights. `length` is the length of a whole column in values.
typedef void tk_expand(const uint8_t *const *pixels, uint32_t count, uint32_t length,
                       void *columns);

// Multiplies the columns of a group with all rows, and writes its first `pixels` output pixels.
typedef void tk_multiply(const tk_matmul *m, const void *columns, uint32_t pixels, uint8_t *out);

// Cortex-M with DSP instructions. Columns are pairs of halves: a group of four pixels has one
// 16-bit lane each; a group of eight has two neighbouring pixels in a lane, TK_LANE_BITS apart.
#define TK_LANE_BITS 12
tk_expand tk_dsp_expand1_a8, tk_dsp_expand1_a4, tk_dsp_expand1_a2;
tk_expand tk_dsp_expand4_a8, tk_dsp_expand4_a4, tk_dsp_expand4_a2;
tk_expand tk_dsp_expand8_a4, tk_dsp_expand8_a2;
tk_multiply tk_dsp_multiply1_w8, tk_dsp_multiply1_w4, tk_dsp_multiply1_w2;
tk_multiply tk_dsp_multiply4_w16, tk_dsp_multiply4_w8, tk_dsp_multiply4_w4, tk_dsp_multiply4_w2;
tk_multiply tk_dsp_multiply8_w4, tk_dsp_multiply8_w2;
// To 4 or 2 bits along a line (dsp/line.h), clamped at the width; pixels fill their bytes.
tk_multiply tk_dsp_multiply4_w4_o4, tk_dsp_multiply4_w4_o2;
tk_multiply tk_dsp_multiply4_w2_o4, tk_dsp_multiply4_w2_o2;
tk_multiply tk_dsp_multiply8_w4_o4, tk_dsp_multiply8_w4_o2;
tk_multiply tk_dsp_multiply8_w2_o4, tk_dsp_multiply8_w2_o2;

// Cores without SIMD. Columns are bytes, those of a group side by side; a group of eight has words
// that two pixels share (8), or four of 2 bits (8q).
tk_expand tk_plain_expand1_a8, tk_plain_expand1_a4, tk_plain_expand1_a2;
tk_expand tk_plain_expand4_a8, tk_plain_expand4_a4, tk_plain_expand4_a2;
tk_expand tk_plain_expand8_a8, tk_plain_expand8_a4, tk_plain_expand8_a2, tk_plain_expand8q_a2;
tk_multiply tk_plain_multiply1_w8, tk_plain_multiply1_w4, tk_plain_multiply1_w2;
tk_multiply tk_plain_multiply4_w8, tk_plain_multiply4_w4, tk_plain_multiply4_w2;
tk_multiply tk_plain_multiply8_w8, tk_plain_multiply8_w4, tk_plain_multiply8_w2;
tk_multiply tk_plain_multiply8q_w8, tk_plain_multiply8q_w2;

// Cortex-M with vectors (MVE). Columns are bytes; each pixel of a group has a row of its own,
// `length` bytes from the one before.
tk_expand tk_mve_expand1_a8, tk_mve_expand1_a4, tk_mve_expand1_a2;
tk_expand tk_mve_expand4_a8, tk_mve_expand4_a4, tk_mve_expand4_a2;
tk_multiply tk_mve_multiply1_w8, tk_mve_multiply1_w4, tk_mve_multiply1_w2;
tk_multiply tk_mve_multiply4_w8, tk_mve_multiply4_w4, tk_mve_multiply4_w2;

#endif
