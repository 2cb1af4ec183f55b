// SPDX-License-Identifier: Apache-2.0
// Lets Python call what is inline in the headers.
#include <stddef.h>

#include "tinykit/requantize.h"

void shim_requantize(const tk_output *q, const int32_t *acc, const int32_t *multiplier,
                     const int32_t *shift, int32_t *out, size_t count);

void shim_requantize(const tk_output *q, const int32_t *acc, const int32_t *multiplier,
                     const int32_t *shift, int32_t *out, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        out[i] = tk_requantize_one(q, acc[i], multiplier[i], shift[i]);
    }
}
