// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel where inputs are bytes of an even number of channels, one for each output, and
// outputs are bytes, clamped at their width, with every shift 2 or more.
#include "depthwise_3x3.h"

// The compiler would compute where a row ends a second time, after its loop.
#define KEEP(pointer) __asm__("" : "+r"(pointer))

static __attribute__((noinline)) void walk_plane(const tk_taps_3x3 *taps, tk_rows_3x3 rows,
                                                 const tk_walk_3x3 *walk, uint8_t *out)
{
    const uint32_t step = walk->step;
    for (uint32_t row = walk->rows; row != 0; --row) {
        for (uint32_t left = walk->pairs; left != 0; --left) {
            int32_t value[2];
            tk_two_3x3(taps, &rows, value);
            out[0] = (uint8_t)value[0];
            out[step] = (uint8_t)value[1];
            out += 2 * step;
            KEEP(out);
        }
        for (uint32_t left = walk->singles; left != 0; --left) {
            *out = (uint8_t)tk_one_3x3(taps, &rows);
            out += step;
            KEEP(out);
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
    walk_plane(&taps, tk_rows_of(f->p, plane), &walk, target->out);
}

tk_status tk_dsp_depthwise_3x3(const tk_depthwise_params *p, const void *in, void *out,
                               void *scratch)
{
    return run_channels(p, in, out, scratch, 1, convolve);
}
