// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel where inputs are bytes of an even number of channels, one for each output, and
// outputs are bytes, clamped at their width, with every shift 2 or more.
#include "depthwise_3x3.h"

static __attribute__((noinline)) void walk_plane(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                 const tk_walk_3x3 *walk, uint8_t *out)
{
    tk_walk_bytes(taps, rows, walk, out, TK_FINE);
}

static void convolve(const frame *f, const int16_t *plane, const uint32_t *scale,
                     const uint8_t *packed, const tk_target *target)
{
    const tk_walk_3x3 walk = tk_walk_of(f->p, target->stride);
    tk_taps_3x3 taps;
    tk_read_3x3(f->p, scale, packed, &taps);
    walk_plane(&taps, tk_rows_of(f->p, plane), &walk, target->out);
}

tk_status tk_dsp_depthwise_3x3(const tk_depthwise_params *p, const void *in, void *out,
                               void *scratch)
{
    return run_channels(p, in, out, scratch, 1, convolve);
}

TK_LAYER_RUN(tk_dsp_depthwise_3x3, layer->in[0], layer->out, layer->scratch)
