// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, four pixels, a sum for each.
#define WEIGHT_BITS 2
#define PIXELS 4
#define LANE_BITS 32
#include "multiply_body.h"

TK_MULTIPLY_DEFINE(tk_plain_multiply4_w2)
