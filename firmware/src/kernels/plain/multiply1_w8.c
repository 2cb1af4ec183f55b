// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, one pixel.
#define WEIGHT_BITS 8
#define PIXELS 1
#define LANE_BITS 32
#include "multiply_body.h"

TK_MULTIPLY_DEFINE(tk_plain_multiply1_w8)
