// SPDX-License-Identifier: Apache-2.0
// Activations of 2 bits to columns of bytes and of words.
#define ACTIVATION_BITS 2
#include "expand_body.h"

TK_EXPAND_DEFINE(tk_plain_expand1_a2, expand1(pixels, count, columns))
TK_EXPAND_DEFINE(tk_plain_expand4_a2, expand4(pixels, count, columns))
TK_EXPAND_DEFINE(tk_plain_expand8_a2, expand_words(pixels, count, 2, columns))
TK_EXPAND_DEFINE(tk_plain_expand8q_a2, expand_words(pixels, count, 4, columns))
