// SPDX-License-Identifier: Apache-2.0
// The kernel of 3x3 without dilation on a plane of halves: two neighbouring outputs at a time at
// stride 1, one at stride 2.
//
// A row of the window comes in one load of two words, x0 x1 and x2 x3; with the tap pairs w0 w1 and
// w1 w2 it gives x0 w0 + x1 w1 + x2 w2 for the first output and x1 w0 + x2 w1 + x3 w2 for the
// second in four instructions. Two outputs take 28 instructions, their requantisation included.
#ifndef TINYKIT_DSP_DEPTHWISE_3X3_H
#define TINYKIT_DSP_DEPTHWISE_3X3_H

#include "depthwise_frame.h"

// All that the inner loop needs of a channel, in the order in which it is loaded.
typedef struct {
    // For each kernel row its taps 0 and 1, and 1 and 2, times TK_SUM_UNIT.
    uint32_t pair[6];
    // The bias times TK_SUM_UNIT.
    int32_t bias;
    // As in the stream.
    int32_t multiplier, power;
    // Of the output.
    int32_t zero_point;
} tk_taps_3x3;

TK_INLINE uint32_t tk_pair_of(int32_t low, int32_t high)
{
    return tk_pack_low((uint32_t)(low * TK_SUM_UNIT), (uint32_t)(high * TK_SUM_UNIT));
}

// Unpacks the packed taps of a channel.
static void tk_read_3x3(const tk_depthwise_params *p, const uint32_t *scale, const uint8_t *packed,
                        tk_taps_3x3 *taps)
{
    taps->bias = (int32_t)scale[0] * TK_SUM_UNIT;
    taps->multiplier = (int32_t)scale[1];
    taps->power = (int32_t)scale[2];
    taps->zero_point = p->output.zero_point;
    for (uint32_t row = 0; row < 3; ++row) {
        int32_t w[3];
        if (p->weight_bits == 8) {
            w[0] = (int8_t)packed[3 * row];
            w[1] = (int8_t)packed[3 * row + 1];
            w[2] = (int8_t)packed[3 * row + 2];
        } else {
            for (uint32_t i = 0; i < 3; ++i) {
                w[i] = tk_get(packed, 3 * row + i, p->weight_bits);
            }
        }
        taps->pair[2 * row] = tk_pair_of(w[0], w[1]);
        taps->pair[2 * row + 1] = tk_pair_of(w[1], w[2]);
    }
}

// The three window rows of the next outputs.
typedef struct {
    const int16_t *x0, *x1, *x2;
} tk_rows_3x3;

// What follows the multiplication: a shift by 2 or more, by 1, or none, where taps and bias are
// shifted to the left instead.
typedef enum { TK_FINE, TK_HALF, TK_WHOLE } tk_shift_3x3;

#if defined(__ARM_FEATURE_DSP) && TK_SUM_UNIT == 2

// In assembly, as the compiler would keep the taps in registers it does not have and load them word
// by word. The next row of taps and of the window:
#define TK_LOAD_3X3(taps, x)                                                                       \
    "ldrd %[w0], %[w1], [%[t], #" taps "]\n\t"                                                     \
    "ldrd %[d0], %[d1], [%[" x "]], #4\n\t"
// Its part of the first and of the second output.
#define TK_FIRST_3X3 "smlad %[s0], %[d0], %[w0], %[s0]\n\tsmlabt %[s0], %[d1], %[w1], %[s0]\n\t"
#define TK_SECOND_3X3 "smlatb %[s1], %[d0], %[w0], %[s1]\n\t" TK_SECOND_END_3X3
#define TK_SECOND_END_3X3 "smlad %[s1], %[d1], %[w1], %[s1]\n\t"
// A sum to a byte; the same where the shift is 1 (`power` -2^31), and where it is none.
#define TK_CONSTANTS_3X3 "ldrd %[w0], %[w1], [%[t], #28]\n\tldr %[d0], [%[t], #36]\n\t"
#define TK_BYTE_3X3(s)                                                                             \
    "smmulr %[" s "], %[" s "], %[w0]\n\t"                                                         \
    "add %[" s "], %[" s "], %[" s "], asr #31\n\t"                                                \
    "smmlar %[" s "], %[" s "], %[w1], %[d0]\n\t"                                                  \
    "ssat %[" s "], #8, %[" s "]\n\t"
#define TK_HALF_BYTE_3X3(s)                                                                        \
    "smmulr %[" s "], %[" s "], %[w0]\n\t"                                                         \
    "add %[" s "], %[" s "], %[" s "], asr #31\n\t"                                                \
    "smmlsr %[" s "], %[" s "], %[w1], %[d0]\n\t"                                                  \
    "ssat %[" s "], #8, %[" s "]\n\t"
#define TK_WHOLE_BYTE_3X3(s)                                                                       \
    "smmlar %[" s "], %[" s "], %[w0], %[d0]\n\t"                                                  \
    "ssat %[" s "], #8, %[" s "]\n\t"
// The sums of two outputs, and of one. The second starts where the first does.
#define TK_TWO_SUMS_3X3                                                                            \
    TK_LOAD_3X3("0", "x0")                                                                         \
    "ldr %[s0], [%[t], #24]\n\tsmlatb %[s1], %[d0], %[w0], %[s0]\n\t" TK_SECOND_END_3X3            \
        TK_FIRST_3X3 TK_LOAD_3X3("8", "x1") TK_FIRST_3X3 TK_SECOND_3X3 TK_LOAD_3X3("16", "x2")     \
            TK_FIRST_3X3 TK_SECOND_3X3
#define TK_ONE_SUM_3X3                                                                             \
    "ldr %[s0], [%[t], #24]\n\t" TK_LOAD_3X3("0", "x0") TK_FIRST_3X3 TK_LOAD_3X3("8", "x1")        \
        TK_FIRST_3X3 TK_LOAD_3X3("16", "x2") TK_FIRST_3X3
#define TK_RUN_3X3(body)                                                                           \
    __asm__(body                                                                                   \
            : [s0] "=&r"(s0), [s1] "=&r"(s1), [w0] "=&r"(w0), [w1] "=&r"(w1), [d0] "=&r"(d0),      \
              [d1] "=&r"(d1), [x0] "+r"(rows->x0), [x1] "+r"(rows->x1), [x2] "+r"(rows->x2)        \
            : [t] "r"(taps)                                                                        \
            : "memory")

TK_INLINE void tk_two_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, tk_shift_3x3 shift,
                          int32_t value[2])
{
    int32_t s0, s1;
    uint32_t w0, w1, d0, d1;
    if (shift == TK_FINE) {
        TK_RUN_3X3(TK_TWO_SUMS_3X3 TK_CONSTANTS_3X3 TK_BYTE_3X3("s0") TK_BYTE_3X3("s1"));
    } else if (shift == TK_HALF) {
        TK_RUN_3X3(TK_TWO_SUMS_3X3 TK_CONSTANTS_3X3 TK_HALF_BYTE_3X3("s0") TK_HALF_BYTE_3X3("s1"));
    } else {
        TK_RUN_3X3(TK_TWO_SUMS_3X3 TK_CONSTANTS_3X3 TK_WHOLE_BYTE_3X3("s0")
                       TK_WHOLE_BYTE_3X3("s1"));
    }
    value[0] = s0;
    value[1] = s1;
}

TK_INLINE int32_t tk_one_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, tk_shift_3x3 shift)
{
    int32_t s0, s1;
    uint32_t w0, w1, d0, d1;
    if (shift == TK_FINE) {
        TK_RUN_3X3(TK_ONE_SUM_3X3 TK_CONSTANTS_3X3 TK_BYTE_3X3("s0"));
    } else if (shift == TK_HALF) {
        TK_RUN_3X3(TK_ONE_SUM_3X3 TK_CONSTANTS_3X3 TK_HALF_BYTE_3X3("s0"));
    } else {
        TK_RUN_3X3(TK_ONE_SUM_3X3 TK_CONSTANTS_3X3 TK_WHOLE_BYTE_3X3("s0"));
    }
    return s0;
}

// Sums of the next two outputs, times TK_SUM_UNIT.
TK_INLINE void tk_sums_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, int32_t sum[2])
{
    int32_t s0, s1;
    uint32_t w0, w1, d0, d1;
    TK_RUN_3X3(TK_TWO_SUMS_3X3);
    sum[0] = s0;
    sum[1] = s1;
}

#else

// Sums of the next two outputs, times TK_SUM_UNIT.
TK_INLINE void tk_sums_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, int32_t sum[2])
{
    const int16_t *x[3] = {rows->x0, rows->x1, rows->x2};
    sum[0] = sum[1] = taps->bias;
#pragma GCC unroll 3
    for (uint32_t i = 0; i < 3; ++i) {
        const uint32_t w01 = taps->pair[2 * i], w12 = taps->pair[2 * i + 1];
        const uint32_t x01 = tk_load32_aligned(x[i]), x23 = tk_load32_aligned(x[i] + 2);
        sum[0] = tk_smlad(x01, w01, sum[0]);
        sum[1] = tk_smlatb(x01, w01, sum[1]);
        sum[0] = tk_smlabt(x23, w12, sum[0]);
        sum[1] = tk_smlad(x23, w12, sum[1]);
    }
    rows->x0 += 2;
    rows->x1 += 2;
    rows->x2 += 2;
}

// Bytes of the next two outputs.
TK_INLINE void tk_two_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, tk_shift_3x3 shift,
                          int32_t value[2])
{
    tk_sums_3x3(taps, rows, value);
    if (shift == TK_FINE) {
        tk_scale_sums(taps->multiplier, taps->power, taps->zero_point, 2, value);
    } else {
        const int32_t code = (shift == TK_HALF ? 1 : 0) - 64;
        tk_scale_coarse(taps->multiplier, code, taps->zero_point, 2, value);
    }
    value[0] = tk_ssat8(value[0]);
    value[1] = tk_ssat8(value[1]);
}

// The byte of the next output alone.
TK_INLINE int32_t tk_one_3x3(const tk_taps_3x3 *taps, tk_rows_3x3 *rows, tk_shift_3x3 shift)
{
    int32_t value[2];
    tk_two_3x3(taps, rows, shift, value);
    return value[0];
}

#endif

// Rows of outputs and how to walk over them.
typedef struct {
    // Rows, and in each of them pairs of outputs and single ones.
    uint32_t rows, pairs, singles;
    // Halves from the end of a row of the window to the start of the next.
    uint32_t skip;
    // Bytes from one output to the next.
    uint32_t step;
} tk_walk_3x3;

// Moves the rows to the next row of outputs.
TK_INLINE void tk_next_row_3x3(tk_rows_3x3 *rows, const tk_walk_3x3 *walk)
{
    rows->x0 += walk->skip;
    rows->x1 += walk->skip;
    rows->x2 += walk->skip;
}

TK_INLINE tk_walk_3x3 tk_walk_of(const tk_depthwise_params *p, uint32_t step)
{
    const uint32_t pairs = p->stride_width == 1 ? p->out_width / 2u : 0;
    const uint32_t singles = p->out_width - 2 * pairs;
    const uint32_t skip = (uint32_t)p->stride_height * p->plane_width - 2 * (pairs + singles);
    return (tk_walk_3x3){p->out_height, pairs, singles, skip, step};
}

TK_INLINE tk_rows_3x3 tk_rows_of(const tk_depthwise_params *p, const int16_t *plane)
{
    return (tk_rows_3x3){plane, plane + p->plane_width, plane + 2u * p->plane_width};
}

// The compiler would compute where a row ends a second time, after its loop.
#define TK_KEEP(pointer) __asm__("" : "+r"(pointer))

// All outputs of a channel, to bytes; `shift` is a constant.
TK_INLINE void tk_walk_bytes(const tk_taps_3x3 *taps, tk_rows_3x3 rows, const tk_walk_3x3 *walk,
                             uint8_t *out, tk_shift_3x3 shift)
{
    const uint32_t step = walk->step;
    for (uint32_t row = walk->rows; row != 0; --row) {
        for (uint32_t left = walk->pairs; left != 0; --left) {
            int32_t value[2];
            tk_two_3x3(taps, &rows, shift, value);
            out[0] = (uint8_t)value[0];
            out[step] = (uint8_t)value[1];
            out += 2 * step;
            TK_KEEP(out);
        }
        for (uint32_t left = walk->singles; left != 0; --left) {
            *out = (uint8_t)tk_one_3x3(taps, &rows, shift);
            out += step;
            TK_KEEP(out);
        }
        tk_next_row_3x3(&rows, walk);
    }
}

#endif
