// SPDX-License-Identifier: Apache-2.0
// Words and numbers of a command.
#ifndef TK_MLPERF_WORDS_H
#define TK_MLPERF_WORDS_H

#include <stdbool.h>
#include <stdint.h>

// Cuts the next word out of *rest, which moves behind it; null where none is left. Line ends count
// as blanks, for people who type.
char *tk_next_word(char **rest);

// Whether `word` is a decimal number up to 2^31 - 1, which *value becomes.
bool tk_parse_number(const char *word, uint32_t *value);

#endif
