// SPDX-License-Identifier: Apache-2.0
#include "tinykit/dense.h"

tk_status tk_dense(const tk_dense_params *p, const void *in, void *out, void *scratch)
{
    const uint8_t *pixel = in;
    p->expand(&pixel, p->in_features, p->matmul.length, scratch);
    p->multiply(&p->matmul, scratch, 1, out);
    return TK_OK;
}

TK_LAYER_RUN(tk_dense, layer->in[0], layer->out, layer->scratch)
