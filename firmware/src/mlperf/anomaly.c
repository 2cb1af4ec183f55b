// SPDX-License-Identifier: Apache-2.0
// The anomaly detector's two borders with real numbers. They are in single precision because the
// benchmark's reference computes them so on the device: only the same operations in the same order
// give its digits. No inference comes by here.
#include <string.h>

#include "tinykit/mlperf.h"

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

void tk_mlperf_quantize(const float *x, int8_t *out, size_t count, float scale, int32_t zero_point)
{
    for (size_t i = 0; i < count; ++i) {
        int32_t q = round_single(x[i] / scale) + zero_point;
        q = q < -128 ? -128 : q;
        out[i] = (int8_t)(q > 127 ? 127 : q);
    }
}

uint32_t tk_mlperf_error(const float *x, const int8_t *made, size_t count, float scale,
                         int32_t zero_point)
{
    float sum = 0.0f;
    for (size_t i = 0; i < count; ++i) {
        const float difference = (float)(made[i] - zero_point) * scale - x[i];
        sum += difference * difference;
    }
    sum /= (float)count;
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}
