// SPDX-License-Identifier: Apache-2.0
// Activations of 4 bits to columns of halves.
#define ACTIVATION_BITS 4
#include "expand_body.h"

TK_EXPAND_DEFINE(tk_dsp_expand1_a4, 1)
TK_EXPAND_DEFINE(tk_dsp_expand4_a4, 4)
TK_EXPAND_DEFINE(tk_dsp_expand8_a4, 8)
