// SPDX-License-Identifier: Apache-2.0
// The scaling of a product of two integers of 8 bits less their zero points, as TensorFlow Lite's
// reference kernels round it, bit for bit.
#ifndef TINYKIT_PRODUCT_H
#define TINYKIT_PRODUCT_H

#include <stdint.h>

typedef struct {
    // From 2^30 to 2^31 - 1, or 0.
    int32_t multiplier;
    // What is added to the scaled product: what rounds, and the zero point of the
    // output.
    int32_t constant;
    // Left shift of the product before the multiplication, 2 to 15.
    uint8_t left;
    // Right shift after it, 1 to 19.
    uint8_t shift;
    // What is added besides where the product is negative: -2 or 0.
    int8_t away;
} tk_product;

#endif
