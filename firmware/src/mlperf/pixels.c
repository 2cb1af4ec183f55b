// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mlperf.h"
#include "tinykit/network.h"

tk_status tk_mlperf_infer_pixels(const tk_mlperf_device *device)
{
    // Anew each time, for an inference uses up its input.
    int8_t *const features = tk_model_input();
    for (size_t i = 0; i < device->bytes; ++i) {
        features[i] = (int8_t)(device->buffer[i] - 128);
    }
    return tk_model_invoke(features, device->outputs);
}
