// SPDX-License-Identifier: Apache-2.0
// Weights of 4 bits, one pixel.
#define WEIGHT_BITS 4

#include "multiply1_body.h"

TK_MULTIPLY1_DEFINE(tk_mve_multiply1_w4)
