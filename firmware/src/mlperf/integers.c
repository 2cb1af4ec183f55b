// SPDX-License-Identifier: Apache-2.0
#include "tinykit/mlperf.h"
#include "tinykit/network.h"

tk_status tk_mlperf_infer_integers(const tk_mlperf_device *device)
{
    return tk_model_invoke((const int8_t *)device->buffer, device->outputs);
}
