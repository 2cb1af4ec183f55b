// SPDX-License-Identifier: Apache-2.0
// The inner product of all layers that mix channels: packed weight rows times unpacked columns.
#ifndef TINYKIT_MATMUL_H
#define TINYKIT_MATMUL_H

#include <stdint.h>

#include "tinykit/requantize.h"

typedef struct {
    // Packed weights: the rows of two output channels alternate word by word; the row of an odd
    // last channel follows alone. tinykit/codegen/pack.py gives the order inside a word, which
    // differs between cores with and without DSP instructions.
    const uint32_t *weight;
    // Values in a row and in a column, a multiple of the weights in a word; the tail is zero.
    uint16_t length;
    // Output channels.
    uint16_t channels;
    // What follows each inner product.
    tk_requantize requantize;
} tk_matmul;

// Multiplies one or two `columns` (the second starts `length` halves after the first) by all rows
// and writes one or two output pixels. `columns` is aligned to four bytes.
typedef void tk_matmul_run(const tk_matmul *m, const int16_t *columns, unsigned pixels,
                           uint8_t *out);
tk_matmul_run tk_matmul_w8;
tk_matmul_run tk_matmul_w4;
tk_matmul_run tk_matmul_w2;

#endif
