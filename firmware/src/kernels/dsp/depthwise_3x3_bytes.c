// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel for outputs that are bytes, clamped at their width, from any channels and with any
// shift: networks of 2-bit weights have scales that need none, or one to the left.
#include "depthwise_3x3.h"

#define WALK(name, shift)                                                                          \
    static __attribute__((noinline)) void name(const tk_taps_3x3 *taps, tk_rows_3x3 rows,          \
                                               const tk_walk_3x3 *walk, uint8_t *out)              \
    {                                                                                              \
        tk_walk_bytes(taps, rows, walk, out, shift);                                               \
    }

WALK(walk_fine, TK_FINE)
WALK(walk_half, TK_HALF)
WALK(walk_whole, TK_WHOLE)

// Shifts taps and bias to the left; the generator has seen to it that they hold it.
static void shift_left(tk_taps_3x3 *taps, uint32_t shift)
{
    for (uint32_t i = 0; i < 6; ++i) {
        const uint32_t pair = taps->pair[i];
        taps->pair[i] = tk_pack_low(pair << shift, pair >> 16 << shift);
    }
    taps->bias = (int32_t)((uint32_t)taps->bias << shift);
}

static void convolve(const frame *f, const int16_t *plane, const uint32_t *scale,
                     const uint8_t *packed, const tk_target *target)
{
    const tk_walk_3x3 walk = tk_walk_of(f->p, target->stride);
    const tk_rows_3x3 rows = tk_rows_of(f->p, plane);
    tk_taps_3x3 taps;
    tk_read_3x3(f->p, scale, packed, &taps);
    const int32_t shift = taps.power + 64;
    if (taps.power > 0) {
        walk_fine(&taps, rows, &walk, target->out);
    } else if (shift == 1) {
        taps.power = INT32_MIN;
        walk_half(&taps, rows, &walk, target->out);
    } else {
        shift_left(&taps, (uint32_t)-shift);
        walk_whole(&taps, rows, &walk, target->out);
    }
}

tk_status tk_dsp_depthwise_3x3_bytes(const tk_depthwise_params *p, const void *in, void *out,
                                     void *scratch)
{
    return run_channels(p, in, out, scratch, 0, convolve);
}

TK_LAYER_RUN(tk_dsp_depthwise_3x3_bytes, layer->in[0], layer->out, layer->scratch)
