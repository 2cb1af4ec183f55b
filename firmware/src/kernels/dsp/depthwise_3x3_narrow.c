// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel for outputs of any width, clamp and shift.
#include "depthwise_3x3.h"

// Stores one output.
TK_INLINE void put(const tk_target *t, const tk_output *q, uint8_t *out, int32_t value)
{
    value = value < q->low ? q->low : value;
    value = value > q->high ? q->high : value;
    *out = (uint8_t)((*out & t->keep) | ((uint32_t)value & ((1u << q->bits) - 1u)) << t->shift);
}

static __attribute__((noinline)) void walk_plane(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                 const tk_walk_3x3 *walk, const tk_target *target)
{
    const tk_target kept = *target, *t = &kept;
    const tk_output q = *target->q;
    uint8_t *out = t->out;
    for (uint32_t row = walk->rows; row != 0; --row) {
        for (uint32_t left = walk->pairs; left != 0; --left, out += 2 * walk->step) {
            int32_t value[2];
            tk_two_3x3(taps, &rows, value);
            put(t, &q, out, value[0]);
            put(t, &q, out + walk->step, value[1]);
        }
        for (uint32_t left = walk->singles; left != 0; --left, out += walk->step) {
            put(t, &q, out, tk_one_3x3(taps, &rows));
        }
        tk_next_row_3x3(&rows, walk);
    }
}

// The same where the shift is below 2, as it often is with 2 bits.
static __attribute__((noinline)) void walk_coarse(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                  const tk_walk_3x3 *walk, const tk_target *t)
{
    const int32_t shift = taps->power + 64;
    uint8_t *out = t->out;
    for (uint32_t row = walk->rows; row != 0; --row) {
        for (uint32_t i = 0; i < walk->pairs + walk->singles; ++i) {
            int32_t sum[2];
            tk_sum_3x3(taps, &rows, sum);
            tk_step_3x3(&rows);
            for (uint32_t j = 0; j < (i < walk->pairs ? 2u : 1u); ++j, out += walk->step) {
                const int32_t one = sum[j] / TK_SUM_UNIT;
                tk_put_at(t, out, tk_requantize_one(t->q, one, taps->multiplier, shift));
            }
        }
        tk_next_row_3x3(&rows, walk);
    }
}

static void convolve(const frame *f, const int16_t *plane, const uint32_t *scale,
                     const uint8_t *packed, const tk_target *target)
{
    const tk_walk_3x3 walk = tk_walk_of(f->p, target->stride);
    tk_taps_3x3 taps;
    tk_read_3x3(f->p, scale, packed, &taps);
    if (taps.power > 0) {
        walk_plane(&taps, tk_rows_of(f->p, plane), &walk, target);
    } else {
        walk_coarse(&taps, tk_rows_of(f->p, plane), &walk, target);
    }
}

tk_status tk_dsp_depthwise_3x3_narrow(const tk_depthwise_params *p, const void *in, void *out,
                                      void *scratch)
{
    return run_channels(p, in, out, scratch, 0, convolve);
}
