// SPDX-License-Identifier: Apache-2.0
// Activations of 8 bits to columns of bytes and of words.
#define ACTIVATION_BITS 8
#include "expand_body.h"

TK_EXPAND_DEFINE(tk_plain_expand1_a8, expand1(pixels, count, columns))
TK_EXPAND_DEFINE(tk_plain_expand4_a8, expand4(pixels, count, columns))
TK_EXPAND_DEFINE(tk_plain_expand8_a8, expand_words(pixels, count, 2, columns))
