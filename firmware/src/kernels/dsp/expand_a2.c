// SPDX-License-Identifier: Apache-2.0
// Activations of 2 bits to columns of halves.
#define ACTIVATION_BITS 2
#include "expand_body.h"

TK_EXPAND_DEFINE(tk_dsp_expand1_a2, 1)
TK_EXPAND_DEFINE(tk_dsp_expand4_a2, 4)
TK_EXPAND_DEFINE(tk_dsp_expand8_a2, 8)
