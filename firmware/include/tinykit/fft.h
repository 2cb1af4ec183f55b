// SPDX-License-Identifier: Apache-2.0
// Power spectrum of a real frame by a 16-bit block-floating FFT; no float, no 64-bit product.
#ifndef TINYKIT_FFT_H
#define TINYKIT_FFT_H

#include <stdint.h>

#include "tinykit/log2.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a point is read as one word, real part in the lower half"
#endif

// Two neighbouring samples or one complex point; as a word both at once, or a squared magnitude.
typedef union {
    struct {
        int16_t re;
        int16_t im;
    } z;
    uint32_t word;
} tk_fft_bin;

typedef struct {
    // Complex points, a power of two from 32 to 2048; the real frame has twice as many samples.
    uint16_t points;
    // How many bins from 0 upwards are wanted, at most `points`.
    uint16_t bins;
    // 2 * points entries: sin(2 pi j / (2 * points)) in Q15, +1.0 held as 32767.
    const int16_t *sine;
} tk_fft_params;

// Where neighbouring bits differ, in both halves at once. The OR of this over many points tells the
// largest magnitude; the one bit that crosses from half to half says nothing more than "not 0".
static inline uint32_t tk_fft_changes(uint32_t word)
{
    return word ^ (word << 1);
}

// Bits of the largest magnitude, sign not counted, from the OR of tk_fft_changes; 0 to 15.
static inline uint32_t tk_fft_bits(uint32_t changes)
{
    const uint32_t either = (changes | (changes >> 16)) & 0xFFFFu;
    return either == 0 ? 0 : 31u - tk_leading_zeros(either);
}

// Transforms `bins` in place. On entry, entry i holds the pair (x[2 r], x[2 r + 1]) of the frame,
// r being i with its bits reversed, and `bits` is the size of the largest. On return, the word of
// entry k in [1, params->bins) is |X[k]|^2 / 4^shift, below 2^31; the other entries hold leftovers.
// Returns shift, in [0, 30].
int32_t tk_fft_power(const tk_fft_params *params, tk_fft_bin *bins, uint32_t bits);

#endif
