// SPDX-License-Identifier: Apache-2.0
// The command `db`: bytes of an input, loaded piece by piece in hexadecimal.
#ifndef TK_MLPERF_BUFFER_H
#define TK_MLPERF_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    // The buffer and its size.
    uint8_t *bytes;
    size_t capacity;
    // Bytes that `db load` announced; 0 before.
    size_t expected;
    // Bytes that came so far.
    size_t loaded;
} tk_mlperf_buffer;

// Carries out `db` with the words that follow it.
void tk_mlperf_buffer_command(tk_mlperf_buffer *buffer, char *words);

#endif
