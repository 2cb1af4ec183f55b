// SPDX-License-Identifier: Apache-2.0
// Runs a generated model on the machine that compiled it, over binary stdin and stdout:
//   runner features   in: TK_MODEL_INPUTS bytes a sample; out: the scores of each
//   runner layers     the same, each sample's scores preceded by every layer's output
//   runner mode <n>   as features, in mode n; each sample's scores preceded by the exit taken
//   runner clips      in: uint32 samples per channel, then int16 samples, channels interleaved;
//                     out: the features of each clip, then its scores
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#if defined(TK_HOST_FRONTEND)
#include "frontend.h"
#endif

static int8_t scores[TK_MODEL_CLASSES];

static void fail(const char *what)
{
    (void)fprintf(stderr, "runner: %s\n", what);
    exit(1);
}

// Reads `size` bytes; false at a clean end of the input.
static bool read_exactly(void *data, size_t size)
{
    const size_t got = fread(data, 1, size, stdin);
    if (got != 0 && got != size) {
        fail("the input ends within a sample");
    }
    return got == size;
}

static void write_exactly(const void *data, size_t size)
{
    if (fwrite(data, 1, size, stdout) != size) {
        fail("cannot write");
    }
}

static void write_layer(void *context, unsigned layer, const void *output, size_t bytes)
{
    (void)context;
    (void)layer;
    write_exactly(output, bytes);
}

static void infer(const int8_t *features, tk_model_observer *observer)
{
    const tk_status status = tk_model_observe(features, scores, observer, NULL);
    if (status != TK_OK) {
        fail(tk_status_text(status));
    }
    write_exactly(scores, sizeof scores);
}

static void run_features(tk_model_observer *observer)
{
    static int8_t features[TK_MODEL_INPUTS];
    while (read_exactly(features, sizeof features)) {
        infer(features, observer);
    }
}

#if defined(TK_MODEL_EXITS)

static void run_mode(const char *mode)
{
    static int8_t features[TK_MODEL_INPUTS];
    if (tk_set_mode((uint32_t)strtoul(mode, NULL, 10)) != TK_OK) {
        fail("there is no such mode");
    }
    while (read_exactly(features, sizeof features)) {
        const tk_status status = tk_model_invoke(features, scores);
        if (status != TK_OK) {
            fail(tk_status_text(status));
        }
        const uint8_t taken = (uint8_t)tk_last_exit();
        write_exactly(&taken, sizeof taken);
        write_exactly(scores, sizeof scores);
    }
}

#endif
#if defined(TK_HOST_FRONTEND)

static void run_clips(void)
{
    static int8_t features[TK_MODEL_INPUTS];
    static int16_t samples[TK_FRONTEND_HOP * TK_FRONTEND_CHANNELS];
    static int8_t rows[TK_FRONTEND_ROWS_PER_PUSH * TK_FRONTEND_ROW_LENGTH];
    uint32_t left;
    while (read_exactly(&left, sizeof left)) {
        size_t count = 0;
        memset(features, 0, sizeof features);
        tk_frontend_reset();
        while (left != 0) {
            const uint32_t chunk = left < TK_FRONTEND_HOP ? left : TK_FRONTEND_HOP;
            if (!read_exactly(samples, chunk * TK_FRONTEND_CHANNELS * sizeof *samples)) {
                fail("the input ends within a clip");
            }
            size_t bytes = tk_frontend_push(samples, chunk, rows) * TK_FRONTEND_ROW_LENGTH;
            if (bytes > sizeof features - count) {
                bytes = sizeof features - count;
            }
            memcpy(features + count, rows, bytes);
            count += bytes;
            left -= chunk;
        }
        write_exactly(features, sizeof features);
        infer(features, NULL);
    }
}

#endif

int main(int argc, char **argv)
{
    const char *task = argc >= 2 ? argv[1] : "";
    if (strcmp(task, "features") == 0) {
        run_features(NULL);
    } else if (strcmp(task, "layers") == 0) {
        run_features(write_layer);
#if defined(TK_MODEL_EXITS)
    } else if (strcmp(task, "mode") == 0 && argc == 3) {
        run_mode(argv[2]);
#endif
#if defined(TK_HOST_FRONTEND)
    } else if (strcmp(task, "clips") == 0) {
        run_clips();
#endif
    } else {
        fail("the task is none of features, layers, mode <n> and clips");
    }
    return 0;
}
