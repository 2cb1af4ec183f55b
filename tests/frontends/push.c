// SPDX-License-Identifier: Apache-2.0
// Host driver of a generated front end. Reads from stdin a uint32 count, that many uint32 push
// sizes, then clips; pushes each clip in those sizes, round and round; writes its rows to stdout.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend.h"

enum { CLIP_VALUES = TK_FRONTEND_CLIP_SAMPLES * TK_FRONTEND_CHANNELS };
enum { FEATURES = TK_FRONTEND_ROWS * TK_FRONTEND_ROW_LENGTH };

// Pushes from a copy of the exact size, so that the sanitizer sees any read past its end.
static size_t push(const int16_t *samples, size_t n, int8_t *rows)
{
    const size_t values = n * TK_FRONTEND_CHANNELS;
    int16_t *copy = malloc(values * sizeof *copy + 1);
    if (copy == NULL) {
        exit(1);
    }
    memcpy(copy, samples, values * sizeof *copy);
    const size_t written = tk_frontend_push(copy, n, rows);
    free(copy);
    return written;
}

static bool run(const int16_t *clip, const uint32_t *sizes, uint32_t n_sizes)
{
    int8_t *features = malloc(FEATURES);
    if (features == NULL) {
        return false;
    }
    size_t rows = 0;
    size_t at = 0;
    tk_frontend_reset();
    for (uint32_t i = 0; at < TK_FRONTEND_CLIP_SAMPLES; ++i) {
        const size_t left = TK_FRONTEND_CLIP_SAMPLES - at;
        const size_t n = sizes[i % n_sizes] < left ? sizes[i % n_sizes] : left;
        rows += push(clip + at * TK_FRONTEND_CHANNELS, n, features + rows * TK_FRONTEND_ROW_LENGTH);
        at += n;
    }
    const bool whole = rows == TK_FRONTEND_ROWS && fwrite(features, FEATURES, 1, stdout) == 1;
    free(features);
    return whole;
}

int main(void)
{
    static int16_t clip[CLIP_VALUES];
    static uint32_t sizes[256];
    uint32_t n_sizes = 0;
    if (fread(&n_sizes, sizeof n_sizes, 1, stdin) != 1 || n_sizes == 0 || n_sizes > 256 ||
        fread(sizes, sizeof *sizes, n_sizes, stdin) != n_sizes) {
        return 2;
    }
    while (fread(clip, sizeof clip, 1, stdin) == 1) {
        if (!run(clip, sizes, n_sizes)) {
            return 3;
        }
    }
    return 0;
}
