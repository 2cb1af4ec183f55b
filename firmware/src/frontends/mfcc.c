// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/frontends/mfcc.py.
#include "tinykit/mfcc.h"

#include "tinykit/simd.h"

#define DCT_BITS 13

static int32_t dot(const int16_t *a, const int16_t *b, uint32_t n)
{
    int32_t sum = 0;
    uint32_t i = 0;
#if TK_DSP
    for (; i + 1 < n; i += 2) {
        sum = tk_smlad(tk_load32(a + i), tk_load32(b + i), sum);
    }
#endif
    for (; i < n; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void write_row(const tk_mfcc_params *p, const int16_t *energies, int8_t *row)
{
    const uint32_t n = p->spectral.n_mels;
    for (uint32_t k = 0; k < p->n_coefficients; ++k) {
        const int32_t sum = dot(p->dct + k * n, energies, n);
        row[k] = tk_affine(&p->affine[k], (sum + (1 << (DCT_BITS - 1))) >> DCT_BITS);
    }
}

void tk_mfcc_reset(tk_mfcc_state *state)
{
    tk_spectral_reset(state);
}

size_t tk_mfcc_push(const tk_mfcc_params *params, tk_mfcc_state *state, const int16_t *samples,
                    size_t n_samples, int8_t *rows_out)
{
    size_t rows = 0;
    while (tk_spectral_take(&params->spectral, state, &samples, &n_samples)) {
        write_row(params, state->energies, rows_out + rows * params->n_coefficients);
        ++rows;
    }
    return rows;
}
