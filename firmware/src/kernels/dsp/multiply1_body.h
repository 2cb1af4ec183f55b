// SPDX-License-Identifier: Apache-2.0
// The multipliers for a single pixel, the dense layers': two rows at a time share the column.
// Included once by each width after WEIGHT_BITS.
//
// The stream holds for each pair of channels: both biases << SUM_SHIFT, the words of the two rows
// in turn, then multiplier and power of the first and of the second (finish.h). An odd last channel
// stands alone.
#ifndef TINYKIT_DSP_MULTIPLY1_BODY_H
#define TINYKIT_DSP_MULTIPLY1_BODY_H

#include "finish.h"
#include "tinykit/matmul.h"

#define SUM_SHIFT (8 - WEIGHT_BITS)
#define TOP_OF_BYTES (WEIGHT_BITS == 8 ? 0xFFFFFFFFu : WEIGHT_BITS == 4 ? 0xF0F0F0F0u : 0xC0C0C0C0u)

// `rows` inner products, 1 or 2, over `words` words of each row.
TK_INLINE const uint32_t *dot(const uint32_t *stream, const uint32_t *x, uint32_t words,
                              uint32_t rows, int32_t sum[2])
{
    for (; words != 0; --words) {
        uint32_t row[2] = {stream[0], rows == 2 ? stream[1] : 0};
        stream += rows;
#pragma GCC unroll 4
        for (uint32_t plane = 0; plane < 8 / WEIGHT_BITS; ++plane, x += 2) {
            const uint32_t even = tk_load32_aligned(x), odd = tk_load32_aligned(x + 1);
#pragma GCC unroll 2
            for (uint32_t i = 0; i < rows; ++i) {
                const uint32_t bytes = row[i] & TOP_OF_BYTES;
                sum[i] = tk_smlad(tk_sxtb16(bytes), even, sum[i]);
                sum[i] = tk_smlad(tk_sxtb16_ror8(bytes), odd, sum[i]);
                row[i] <<= WEIGHT_BITS & 7;
            }
        }
    }
    return stream;
}

#if defined(__ARM_FEATURE_DSP)

#if WEIGHT_BITS == 8

// Four values of two rows: 10 instructions for 8 products.
#define TWO_ROWS                                                                                   \
    "ldrd %[u], %[v], [%[w]], #8\n\t"                                                              \
    "ldrd %[a], %[b], [%[x]], #8\n\t"                                                              \
    "sxtb16 %[t], %[u]\n\tsmlad %[s0], %[t], %[a], %[s0]\n\t"                                      \
    "sxtb16 %[t], %[u], ror #8\n\tsmlad %[s0], %[t], %[b], %[s0]\n\t"                              \
    "sxtb16 %[t], %[v]\n\tsmlad %[s1], %[t], %[a], %[s1]\n\t"                                      \
    "sxtb16 %[t], %[v], ror #8\n\tsmlad %[s1], %[t], %[b], %[s1]\n\t"

#define NARROW_TEMPORARY
#define NARROW_MASK

#else

#define NARROW_TEMPORARY [q] "=&r"(q),
#define NARROW_MASK [mask] "r"(TOP_OF_BYTES)
// The plane of a row that is `up` bits below the top of its bytes.
#define ONE_PLANE(row, s, up)                                                                      \
    "and %[t], %[mask], %[" row "], lsl #" up "\n\t"                                               \
    "sxtb16 %[q], %[t]\n\tsmlad %[" s "], %[q], %[a], %[" s "]\n\t"                                \
    "sxtb16 %[t], %[t], ror #8\n\tsmlad %[" s "], %[t], %[b], %[" s "]\n\t"
#define TWO_PLANES(up)                                                                             \
    "ldrd %[a], %[b], [%[x]], #8\n\t" ONE_PLANE("u", "s0", up) ONE_PLANE("v", "s1", up)
#define TWO_WORDS "ldrd %[u], %[v], [%[w]], #8\n\t"

// A word of two rows: 23 instructions for 16 products, or 45 for 32.
#if WEIGHT_BITS == 4
#define TWO_ROWS TWO_WORDS TWO_PLANES("0") TWO_PLANES("4")
#else
#define TWO_ROWS TWO_WORDS TWO_PLANES("0") TWO_PLANES("2") TWO_PLANES("4") TWO_PLANES("6")
#endif

#endif

TK_INLINE const uint32_t *dot_two(const uint32_t *stream, const uint32_t *x, uint32_t words,
                                  int32_t sum[2])
{
    uint32_t t, u, v, a, b;
#if WEIGHT_BITS < 8
    uint32_t q;
#endif
    __asm__ volatile(
        "lsrs %[n], %[n], #1\n\t"
        "bcs 2f\n\t"
        "subs %[n], %[n], #1\n"
        "1:\n\t" TWO_ROWS "2:\n\t" TWO_ROWS "subs %[n], %[n], #1\n\t"
        "bpl 1b\n\t"
        : NARROW_TEMPORARY[s0] "+r"(sum[0]), [s1] "+r"(sum[1]), [t] "=&r"(t), [u] "=&r"(u),
          [v] "=&r"(v), [a] "=&r"(a), [b] "=&r"(b), [w] "+r"(stream), [x] "+r"(x), [n] "+r"(words)
        : NARROW_MASK
        : "cc", "memory");
    return stream;
}

#else

TK_INLINE const uint32_t *dot_two(const uint32_t *stream, const uint32_t *x, uint32_t words,
                                  int32_t sum[2])
{
    return dot(stream, x, words, 2, sum);
}

#endif

// A sum times TK_SUM_UNIT.
TK_INLINE int32_t in_units(int32_t sum)
{
    return SUM_SHIFT == 0 ? sum * TK_SUM_UNIT : sum >> (SUM_SHIFT + 1 - TK_SUM_UNIT);
}

#if WEIGHT_BITS < 8

// Requantises and stores channels `c` and `c` + 1 of 4 or 2 bits, which share a byte, where they
// need no clamp but that of their width. The first two of a byte clear the rest of it.
static void finish_two(const tk_output *q, const uint32_t *scale, uint32_t c, int32_t value[2],
                       uint8_t *out)
{
    const uint32_t bits = q->bits, mask = (1u << bits) - 1u, shift = c * bits & 7u;
    tk_scale_any(scale, q->zero_point, 1, &value[0]);
    tk_scale_any(scale + 2, q->zero_point, 1, &value[1]);
    if (bits == 4) {
        tk_clamp_values(2, 4, value);
    } else {
        tk_clamp_values(2, 2, value);
    }
    const uint32_t both = ((uint32_t)value[0] & mask) | ((uint32_t)value[1] & mask) << bits;
    out += c * bits >> 3;
    *out = (uint8_t)(shift == 0 ? both : *out | both << shift);
}

#endif

// Channels `c` and `c` + 1.
TK_INLINE const uint32_t *multiply_two(const tk_matmul *m, const uint32_t *stream,
                                       const uint32_t *columns, uint32_t c, int plain, uint8_t *out)
{
    int32_t sum[2] = {(int32_t)stream[0], (int32_t)stream[1]};
    stream = dot_two(stream + 2, columns, m->length / (32 / WEIGHT_BITS), sum);
    const int32_t zero_point = m->output.zero_point;
#if WEIGHT_BITS < 8
    if (m->output.bits < 8 && tk_clamps_at_width(&m->output)) {
        int32_t value[2] = {in_units(sum[0]), in_units(sum[1])};
        finish_two(&m->output, stream, c, value, out);
        return stream + 4;
    }
#endif
#pragma GCC unroll 2
    for (uint32_t i = 0; i < 2; ++i, stream += 2) {
        int32_t value = in_units(sum[i]);
        if (plain && (int32_t)stream[1] > 0) {
            tk_scale_sums((int32_t)stream[0], (int32_t)stream[1], zero_point, 1, &value);
            out[c + i] = (uint8_t)tk_ssat8(value);
        } else {
            int32_t kept = value;
            tk_dsp_finish_channel(m, out, c + i, 1, stream, &kept);
        }
    }
    return stream;
}

// An odd last channel.
static void multiply_last(const tk_matmul *m, const uint32_t *stream, const uint32_t *columns,
                          uint32_t c, uint8_t *out)
{
    int32_t sum[2] = {(int32_t)stream[0], 0};
    stream = dot(stream + 1, columns, m->length / (32 / WEIGHT_BITS), 1, sum);
    sum[0] = in_units(sum[0]);
    tk_dsp_finish_channel(m, out, c, 1, stream, sum);
}

TK_INLINE void multiply1(const tk_matmul *m, const void *columns, uint8_t *out)
{
    const uint32_t channels = m->channels;
    const int plain = m->output.bits == 8 && tk_clamps_at_width(&m->output);
    const uint32_t *stream = m->stream;
    uint32_t c = 0;
    for (; c + 2 <= channels; c += 2) {
        stream = multiply_two(m, stream, columns, c, plain, out);
    }
    if (c < channels) {
        multiply_last(m, stream, columns, c, out);
    }
}

#endif
