// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel for outputs of any width, clamp and shift.
#include "depthwise_3x3.h"

// Clamps and stores one output.
TK_INLINE void put(const tk_target *t, const tk_output *q, uint8_t *out, int32_t value)
{
    value = value < q->low ? q->low : value;
    value = value > q->high ? q->high : value;
    *out = (uint8_t)((*out & t->keep) | ((uint32_t)value & ((1u << q->bits) - 1u)) << t->shift);
}

// `coarse`, a constant, says that the shift is below 2.
TK_INLINE void walk_plane(const tk_taps_3x3 *taps, tk_rows_3x3 rows, const tk_walk_3x3 *walk,
                          const tk_target *target, int coarse)
{
    const tk_target kept = *target, *t = &kept;
    const tk_output q = *target->q;
    uint8_t *out = t->out;
    for (uint32_t row = walk->rows; row != 0; --row) {
        for (uint32_t i = walk->pairs + walk->singles; i != 0; --i) {
            int32_t value[2];
            tk_sums_3x3(taps, &rows, value);
            if (coarse) {
                tk_scale_coarse(taps->multiplier, taps->power, q.zero_point, 2, value);
            } else {
                tk_scale_sums(taps->multiplier, taps->power, q.zero_point, 2, value);
            }
            put(t, &q, out, value[0]);
            out += walk->step;
            if (i > walk->singles) {
                put(t, &q, out, value[1]);
                out += walk->step;
            }
        }
        tk_next_row_3x3(&rows, walk);
    }
}

static __attribute__((noinline)) void walk_fine(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                const tk_walk_3x3 *walk, const tk_target *target)
{
    walk_plane(taps, rows, walk, target, 0);
}

static __attribute__((noinline)) void walk_coarse(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                  const tk_walk_3x3 *walk, const tk_target *target)
{
    walk_plane(taps, rows, walk, target, 1);
}

static void convolve(const frame *f, const int16_t *plane, const uint32_t *scale,
                     const uint8_t *packed, const tk_target *target)
{
    const tk_walk_3x3 walk = tk_walk_of(f->p, target->stride);
    tk_taps_3x3 taps;
    tk_read_3x3(f->p, scale, packed, &taps);
    if (taps.power > 0) {
        walk_fine(&taps, tk_rows_of(f->p, plane), &walk, target);
    } else {
        walk_coarse(&taps, tk_rows_of(f->p, plane), &walk, target);
    }
}

tk_status tk_dsp_depthwise_3x3_narrow(const tk_depthwise_params *p, const void *in, void *out,
                                      void *scratch)
{
    return run_channels(p, in, out, scratch, 0, convolve);
}

TK_LAYER_RUN(tk_dsp_depthwise_3x3_narrow, layer->in[0], layer->out, layer->scratch)
