// SPDX-License-Identifier: Apache-2.0
#define WEIGHT_BITS 2
#include "depthwise_body.h"

tk_status tk_depthwise_w2(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    return convolve(p, in, out, scratch);
}
