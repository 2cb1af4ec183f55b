// SPDX-License-Identifier: Apache-2.0
// Power spectrum of a real frame by a 16-bit block-floating FFT; no float, no 64-bit product.
#ifndef TINYKIT_FFT_H
#define TINYKIT_FFT_H

#include <stdint.h>

// One complex point while the transform runs, one squared magnitude when it is done.
typedef union {
    struct {
        int16_t re;
        int16_t im;
    } z;
    uint32_t power;
} tk_fft_bin;

typedef struct {
    // Complex points, a power of two from 32 to 2048; the real frame has twice as many samples.
    uint16_t points;
    // How many bins from 0 upwards are wanted, at most `points`.
    uint16_t bins;
    // 2 * points entries: sin(2 pi j / (2 * points)) in Q15, +1.0 held as 32767.
    const int16_t *sine;
} tk_fft_params;

// Transforms `bins` in place. On entry, entry i holds the pair (x[2 r], x[2 r + 1]) of the frame,
// r being i with its bits reversed, and `ored` is the OR of v ^ (v >> 31) over all values. On
// return, entry k in [1, bins) holds |X[k]|^2 / 4^shift, below 2^31; the other entries hold
// leftovers. Returns shift, in [0, 30].
int32_t tk_fft_power(const tk_fft_params *params, tk_fft_bin *bins, uint32_t ored);

#endif
