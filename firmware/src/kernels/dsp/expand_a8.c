// SPDX-License-Identifier: Apache-2.0
// Activations of 8 bits to columns of halves.
#define ACTIVATION_BITS 8
#include "expand_body.h"

TK_EXPAND_DEFINE(tk_dsp_expand1_a8, 1)
TK_EXPAND_DEFINE(tk_dsp_expand4_a8, 4)
