// SPDX-License-Identifier: Apache-2.0
// From inputs of 2 bits to outputs of 2.
#define IN_BITS 2
#define OUT_BITS 2

#include "depthwise_folded_body.h"

tk_status tk_dsp_depthwise_folded_a2_o2(const tk_depthwise_params *p, const void *in, void *out,
                                        void *scratch)
{
    return depthwise_folded(p, in, out, scratch);
}

TK_LAYER_RUN(tk_dsp_depthwise_folded_a2_o2, layer->in[0], layer->out, layer->scratch)
