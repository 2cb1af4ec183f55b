// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mlperf.h"

void tk_mlperf_flip(const tk_mlperf_device *device)
{
    for (size_t i = 0; i < device->bytes; ++i) {
        device->buffer[i] ^= 0x80u;
    }
}
