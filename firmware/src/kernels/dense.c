// SPDX-License-Identifier: Apache-2.0
#include "tinykit/dense.h"

#include <string.h>

#include "tinykit/packing.h"

static tk_status multiply(const tk_dense_params *p, const void *in, uint8_t *out, int16_t *column,
                          tk_matmul_run *matmul)
{
    // The tail of the column meets zero weights.
    memset(column, 0, p->matmul.length * sizeof *column);
    tk_unpack16(in, p->in_features, p->in_bits, column);
    matmul(&p->matmul, column, 1, out);
    return TK_OK;
}

tk_status tk_dense_w8(const tk_dense_params *p, const void *in, void *out, void *scratch)
{
    return multiply(p, in, out, scratch, tk_matmul_w8);
}

tk_status tk_dense_w4(const tk_dense_params *p, const void *in, void *out, void *scratch)
{
    return multiply(p, in, out, scratch, tk_matmul_w4);
}

tk_status tk_dense_w2(const tk_dense_params *p, const void *in, void *out, void *scratch)
{
    return multiply(p, in, out, scratch, tk_matmul_w2);
}
