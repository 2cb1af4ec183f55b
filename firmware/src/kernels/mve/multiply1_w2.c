// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, one pixel.
#define WEIGHT_BITS 2

#include "multiply1_body.h"

TK_MULTIPLY1_DEFINE(tk_mve_multiply1_w2)
