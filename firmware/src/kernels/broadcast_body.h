// SPDX-License-Identifier: Apache-2.0
// The walk over two tensors, of which the second may be broadcast. Included once by each operator.
#ifndef TINYKIT_BROADCAST_BODY_H
#define TINYKIT_BROADCAST_BODY_H

#include "tinykit/broadcast.h"
#include "tinykit/inline.h"

// A row of `n` values.
typedef void row_function(const void *params, const int8_t *a, const int8_t *b, int8_t *out,
                          uint32_t n);

// `both` runs rows along which the second input moves on, `one` those along which it stays.
TK_INLINE void for_each_row(const tk_broadcast *shape, const void *params, row_function *both,
                            row_function *one, const int8_t *a, const int8_t *b, int8_t *out)
{
    row_function *const row = shape->value_step != 0 ? both : one;
    for (uint32_t block = shape->blocks; block != 0; --block, b += shape->block_step) {
        const int8_t *from = b;
        for (uint32_t rows = shape->rows; rows != 0; --rows, from += shape->row_step) {
            row(params, a, from, out, shape->values);
            a += shape->values;
            out += shape->values;
        }
    }
}

#endif
