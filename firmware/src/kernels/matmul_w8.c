// SPDX-License-Identifier: Apache-2.0
#define WEIGHTS_PER_WORD 4u
#include "matmul_body.h"

#if TK_DSP

// A word holds w0 w2 w1 w3, so that one extension gives (w0, w1) and the other (w2, w3).
TK_INLINE void dot(const uint32_t *weight, const int16_t *columns, unsigned length, unsigned pixels,
                   unsigned channels, int32_t acc[4])
{
    const int16_t *x = columns;
    const int16_t *y = columns + length;
    const int16_t *end = columns + length;
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    do {
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
            const uint32_t word = *weight++;
            const uint32_t w01 = tk_sxtb16(word), w23 = tk_sxtb16_ror8(word);
            acc[2 * channel] = tk_smlad(w01, x01, acc[2 * channel]);
            acc[2 * channel] = tk_smlad(w23, x23, acc[2 * channel]);
            if (pixels == 2) {
                acc[2 * channel + 1] = tk_smlad(w01, y01, acc[2 * channel + 1]);
                acc[2 * channel + 1] = tk_smlad(w23, y23, acc[2 * channel + 1]);
            }
        }
    } while (x != end);
}

#else

TK_INLINE void dot(const uint32_t *weight, const int16_t *columns, unsigned length, unsigned pixels,
                   unsigned channels, int32_t acc[4])
{
    const int8_t *w = (const int8_t *)weight;
    const int16_t *x = columns;
    const int16_t *y = columns + length;
    const int16_t *end = columns + length;
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    do {
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) {
            const int32_t x_i = x[i];
            const int32_t y_i = pixels == 2 ? y[i] : 0;
            acc[0] += w[i] * x_i;
            if (pixels == 2) {
                acc[1] += w[i] * y_i;
            }
            if (channels == 2) {
                acc[2] += w[4 + i] * x_i;
            }
            if (channels == 2 && pixels == 2) {
                acc[3] += w[4 + i] * y_i;
            }
        }
        w += 4 * channels;
        x += 4;
        y += 4;
    } while (x != end);
}

#endif

TK_MATMUL_DEFINE(tk_matmul_w8)
