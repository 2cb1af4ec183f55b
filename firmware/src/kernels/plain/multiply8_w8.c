// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, eight pixels, two in a word.
#define WEIGHT_BITS 8
#define PIXELS 8
#define LANE_BITS 16
#include "multiply_body.h"

TK_MULTIPLY_DEFINE(tk_plain_multiply8_w8)
