// SPDX-License-Identifier: Apache-2.0
// dot() for weights of WEIGHT_BITS = 4 or 2, included after matmul_body.h.
#ifndef TINYKIT_MATMUL_NARROW_H
#define TINYKIT_MATMUL_NARROW_H

#if TK_DSP

// A word holds `8 / WEIGHT_BITS` planes of four weights, in each the order of matmul_w8.c. Moved to
// the top of its bytes, a plane is four signed bytes, each the weight times 2^(8 - WEIGHT_BITS);
// the sum is divided by that once, exactly, at the end.
#define TOP_OF_BYTES (WEIGHT_BITS == 4u ? 0xF0F0F0F0u : 0xC0C0C0C0u)

TK_INLINE void dot(const uint32_t *weight, const int16_t *columns, unsigned length, unsigned pixels,
                   unsigned channels, int32_t acc[4])
{
    const int16_t *x = columns;
    const int16_t *y = columns + length;
    const int16_t *end = columns + length;
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    do {
#pragma GCC unroll 4
        for (unsigned plane = 0; plane < 8u / WEIGHT_BITS; ++plane) {
            const uint32_t x01 = tk_load32_aligned(x), x23 = tk_load32_aligned(x + 2);
            uint32_t y01 = 0, y23 = 0;
            x += 4;
            if (pixels == 2) {
                y01 = tk_load32_aligned(y);
                y23 = tk_load32_aligned(y + 2);
                y += 4;
            }
#pragma GCC unroll 2
            for (unsigned channel = 0; channel < channels; ++channel) {
                const uint32_t word = weight[channel] << (8u - WEIGHT_BITS * (plane + 1));
                const uint32_t bytes = word & TOP_OF_BYTES;
                const uint32_t w01 = tk_sxtb16(bytes), w23 = tk_sxtb16_ror8(bytes);
                acc[2 * channel] = tk_smlad(w01, x01, acc[2 * channel]);
                acc[2 * channel] = tk_smlad(w23, x23, acc[2 * channel]);
                if (pixels == 2) {
                    acc[2 * channel + 1] = tk_smlad(w01, y01, acc[2 * channel + 1]);
                    acc[2 * channel + 1] = tk_smlad(w23, y23, acc[2 * channel + 1]);
                }
            }
        }
        weight += channels;
    } while (x != end);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
        acc[i] >>= 8u - WEIGHT_BITS;
    }
}

#else

// Weight `i` of a word, sign-extended.
TK_INLINE int32_t weight_at(uint32_t word, unsigned i)
{
    return (int32_t)(word << (32u - WEIGHT_BITS * (i + 1))) >> (32u - WEIGHT_BITS);
}

TK_INLINE void dot(const uint32_t *weight, const int16_t *columns, unsigned length, unsigned pixels,
                   unsigned channels, int32_t acc[4])
{
    const int16_t *x = columns;
    const int16_t *y = columns + length;
    const int16_t *end = columns + length;
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    do {
        const uint32_t first = weight[0];
        const uint32_t second = channels == 2 ? weight[1] : 0;
#pragma GCC unroll 16
        for (unsigned i = 0; i < WEIGHTS_PER_WORD; ++i) {
            const int32_t x_i = x[i];
            const int32_t y_i = pixels == 2 ? y[i] : 0;
            acc[0] += weight_at(first, i) * x_i;
            if (pixels == 2) {
                acc[1] += weight_at(first, i) * y_i;
            }
            if (channels == 2) {
                acc[2] += weight_at(second, i) * x_i;
            }
            if (channels == 2 && pixels == 2) {
                acc[3] += weight_at(second, i) * y_i;
            }
        }
        weight += channels;
        x += WEIGHTS_PER_WORD;
        y += WEIGHTS_PER_WORD;
    } while (x != end);
}

#endif

#endif
