// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mlperf.h"

void tk_mlperf_centre(const uint8_t *pixels, int8_t *out, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        out[i] = (int8_t)(pixels[i] - 128);
    }
}
