// SPDX-License-Identifier: Apache-2.0
// The anomaly detector's two borders with real numbers. They are in single precision because the
// benchmark's reference computes them so on the device: only the same operations in the same order
// give its digits. No inference comes by here.
#include <string.h>

#include "tinykit/mlperf.h"
#include "tinykit/network.h"

// Bits of the last mean squared error.
static uint32_t error;

// Rounded half away from zero; what is far out of the range of int8 is cut off before.
static int32_t round_single(float x)
{
    if (!(x > -1024.0f)) { // not a number, too
        return -1024;
    }
    if (x > 1024.0f) {
        return 1024;
    }
    const int32_t whole = (int32_t)x;
    const float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void tk_mlperf_quantize(const tk_mlperf_device *device)
{
    const float *x = (const float *)(const void *)device->buffer;
    for (size_t i = 0; i < tk_model.inputs; ++i) {
        int32_t q = round_single(x[i] / device->in_scale) + device->in_zero_point;
        q = q < -128 ? -128 : q;
        device->features[i] = (int8_t)(q > 127 ? 127 : q);
    }
}

tk_status tk_mlperf_infer_quantized(const tk_mlperf_device *device)
{
    return tk_model_invoke(device->features, device->outputs);
}

void tk_mlperf_compare(const tk_mlperf_device *device)
{
    const float *x = (const float *)(const void *)device->buffer;
    float sum = 0.0f;
    for (size_t i = 0; i < tk_model.outputs; ++i) {
        const int32_t steps = device->outputs[i] - device->out_zero_point;
        const float difference = (float)steps * device->out_scale - x[i];
        sum += difference * difference;
    }
    sum /= (float)tk_model.outputs;
    memcpy(&error, &sum, sizeof error);
}

void tk_mlperf_say_error(const tk_mlperf_device *device)
{
    (void)device;
    tk_mlperf_say_single(error);
}
