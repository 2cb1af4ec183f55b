// SPDX-License-Identifier: Apache-2.0
#define WEIGHT_BITS 2u
#define WEIGHTS_PER_WORD (32u / WEIGHT_BITS)
#include "matmul_body.h"
#include "matmul_narrow.h"

TK_MATMUL_DEFINE(tk_matmul_w2)
