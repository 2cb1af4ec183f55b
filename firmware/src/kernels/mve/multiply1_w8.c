// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, one pixel.
#define WEIGHT_BITS 8

#include "multiply1_body.h"

TK_MULTIPLY1_DEFINE(tk_mve_multiply1_w8)
