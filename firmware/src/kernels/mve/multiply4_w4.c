// SPDX-License-Identifier: Apache-2.0
// Weights of 4 bits, four pixels.
#define WEIGHT_BITS 4

#include "multiply4_body.h"

TK_MULTIPLY4_DEFINE(tk_mve_multiply4_w4)
