// SPDX-License-Identifier: Apache-2.0
// Activations of 4 bits to rows of bytes.
#include "tinykit/matmul.h"
#include "unpack.h"

TK_EXPAND_DEFINE(4)
