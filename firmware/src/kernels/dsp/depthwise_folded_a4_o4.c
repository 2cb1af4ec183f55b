// SPDX-License-Identifier: Apache-2.0
// From inputs of 4 bits to outputs of 4.
#define IN_BITS 4
#define OUT_BITS 4

#include "depthwise_folded_body.h"

tk_status tk_dsp_depthwise_folded_a4_o4(const tk_depthwise_params *p, const void *in, void *out,
                                        void *scratch)
{
    return depthwise_folded(p, in, out, scratch);
}

TK_LAYER_RUN(tk_dsp_depthwise_folded_a4_o4, layer->in[0], layer->out, layer->scratch)
