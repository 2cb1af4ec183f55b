// SPDX-License-Identifier: Apache-2.0
// Weights of 2 bits, four pixels.
#define WEIGHT_BITS 2

#include "multiply4_body.h"

TK_MULTIPLY4_DEFINE(tk_mve_multiply4_w2)
