// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution with any kernel, any output.
#include "depthwise_frame.h"

// Unpacks the taps of one channel times TK_SUM_UNIT, each kernel row filled up to an even number
// with zero.
static void read_taps(const frame *f, const uint8_t *packed)
{
    const tk_depthwise_params *p = f->p;
    int16_t *tap = f->spare;
    uint32_t i = 0;
    for (uint32_t row = 0; row < p->kernel_height; ++row) {
        for (uint32_t col = 0; col < p->kernel_width; ++col, ++i) {
            *tap++ = (int16_t)(tk_get(packed, i, p->weight_bits) * TK_SUM_UNIT);
        }
        if (p->kernel_width & 1u) {
            *tap++ = 0;
        }
    }
}

// The sum at `x`: pairs of taps where they are neighbours.
static int32_t sum_at(const frame *f, const int16_t *x, int32_t sum)
{
    const tk_depthwise_params *p = f->p;
    const uint32_t width = p->kernel_width, taps = (width + 1u) & ~1u;
    const int16_t *tap = f->spare;
    for (uint32_t row = p->kernel_height; row != 0; --row, tap += taps) {
        if (p->dilation_width == 1) {
            for (uint32_t i = 0; i < taps; i += 2) {
                sum = tk_smlad(tk_load32(x + i), tk_load32_aligned(tap + i), sum);
            }
        } else {
            for (uint32_t i = 0; i < width; ++i) {
                sum += x[i * p->dilation_width] * tap[i];
            }
        }
        x += (uint32_t)p->dilation_height * p->plane_width;
    }
    return sum;
}

static void convolve(const frame *f, const int16_t *plane, const uint32_t *scale,
                     const uint8_t *taps, const tk_target *target)
{
    const tk_depthwise_params *p = f->p;
    const int32_t bias = (int32_t)scale[0] * TK_SUM_UNIT;
    tk_target t = *target;
    read_taps(f, taps);
    for (uint32_t row = 0; row < p->out_height; ++row) {
        const int16_t *x = plane + row * p->stride_height * p->plane_width;
        for (uint32_t col = 0; col < p->out_width; ++col, x += p->stride_width) {
            int32_t sum = sum_at(f, x, bias);
            tk_dsp_finish(&t, scale + 1, &sum);
            t.out += t.stride;
        }
    }
}

tk_status tk_dsp_depthwise(const tk_depthwise_params *p, const void *in, void *out, void *scratch)
{
    return run_channels(p, in, out, scratch, 0, convolve);
}

TK_LAYER_RUN(tk_dsp_depthwise, layer->in[0], layer->out, layer->scratch)
