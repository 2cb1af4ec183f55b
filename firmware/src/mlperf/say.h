// SPDX-License-Identifier: Apache-2.0
// Text over the serial line.
#ifndef TK_MLPERF_SAY_H
#define TK_MLPERF_SAY_H

#include <stdint.h>

void tk_say(const char *text);

// In decimal.
void tk_say_uint(uint32_t value);

// Its last `digits` hexadecimal digits.
void tk_say_hex(uint32_t value, int digits);

#endif
