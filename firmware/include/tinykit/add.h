// SPDX-License-Identifier: Apache-2.0
// Addition and subtraction of two tensors of one width, each with a scale of its own. The result is
// that of TensorFlow Lite's int8 ADD or SUB, bit for bit, and may be written over the first input,
// and over the second where that has the same shape.
//
// An output depends on two small integers only. For 8 bits the generator looks for one linear form
// that gives it for every pair of them, and there nearly always is one: two multiplications and a
// shift instead of three rounding multiplications. For 4 and 2 bits a table of all pairs is small.
#ifndef TINYKIT_ADD_H
#define TINYKIT_ADD_H

#include <stdint.h>

#include "tinykit/broadcast.h"
#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct {
    // Values of a tensor.
    uint32_t values;
    // What an input is multiplied by, in units of 2^-shift outputs (2^-24 for tk_add_halves).
    int32_t factor_a, factor_b;
    // What is added to both products, so that a sum of 0 stands for the least output.
    int32_t offset;
    // Fraction bits of the sum, 0 to 30 (16 for tk_add_halves).
    uint8_t shift;
    // The least output, inclusive.
    int8_t low;
    // How far the greatest output lies above the least.
    uint8_t range;
} tk_add_params;

typedef struct {
    // How the inputs meet.
    tk_broadcast shape;
    // As in tk_add_params.
    int32_t factor_a, factor_b, offset;
    // Fraction bits of the sum, 0 to 30.
    uint8_t shift;
    // The least output, inclusive.
    int8_t low;
    // How far the greatest output lies above the least.
    uint8_t range;
} tk_add_broadcast_params;

typedef struct {
    // The output nibble (one value of 4 bits, or two of 2) for nibbles a + 16 * b, 256 entries.
    const uint8_t *table;
    // Pixels of a tensor; 1 where pixels fill whole bytes.
    uint32_t pixels;
    // Bytes of a pixel.
    uint32_t pixel_bytes;
    // The bits of a pixel's last byte that hold values.
    uint8_t mask;
} tk_add_table_params;

typedef struct {
    // How the inputs meet.
    tk_broadcast shape;
    // Factors of the inputs, from 2^30 to 2^31 - 1, or 0.
    int32_t multiplier_a, multiplier_b;
    // Factor of the sum, from 2^30 to 2^31 - 1, or 0.
    int32_t multiplier;
    // Right shifts after these multiplications, 0 to 31.
    uint8_t shift_a, shift_b, shift;
    // Left shift of the inputs before theirs, at most 20.
    uint8_t left_shift;
    // The integers that stand for 0.0, of the inputs and the output.
    int8_t zero_point_a, zero_point_b, zero_point;
    // The least output, inclusive.
    int8_t low;
    // The greatest output, inclusive.
    int8_t high;
    // 1 where the second input is taken off, 0 where it is added.
    uint8_t subtract;
} tk_add_rescaled_params;

// The sum of 8-bit tensors of one shape by a linear form.
tk_status tk_add(const tk_add_params *p, const void *a, const void *b, void *out);

// The same on cores with DSP instructions, four values at a time and with other constants; all
// three tensors must start at a multiple of four.
tk_status tk_add_halves(const tk_add_params *p, const void *a, const void *b, void *out);

// The sum of 8-bit tensors by a linear form where the second is broadcast.
tk_status tk_add_broadcast(const tk_add_broadcast_params *p, const void *a, const void *b,
                           void *out);

// The sum of 8-bit tensors as TensorFlow Lite's reference kernel computes it, for where no linear
// form was found.
tk_status tk_add_rescaled(const tk_add_rescaled_params *p, const void *a, const void *b, void *out);

// The sum of tensors of 4 or 2 bits, of one shape.
tk_status tk_add_table(const tk_add_table_params *p, const void *a, const void *b, void *out);

// Layers call them through these.
tk_layer_run tk_add_broadcast_run;
tk_layer_run tk_add_halves_run;
tk_layer_run tk_add_rescaled_run;
tk_layer_run tk_add_run;
tk_layer_run tk_add_table_run;

#endif
