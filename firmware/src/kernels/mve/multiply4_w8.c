// SPDX-License-Identifier: Apache-2.0
// Weights of 8 bits, four pixels.
#define WEIGHT_BITS 8

#include "multiply4_body.h"

TK_MULTIPLY4_DEFINE(tk_mve_multiply4_w8)
