// SPDX-License-Identifier: Apache-2.0
#include "say.h"

#include "tinykit/port.h"

void tk_say(const char *text)
{
    while (*text != '\0') {
        tk_port_putc(*text++);
    }
}

void tk_say_uint(uint32_t value)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    while (count > 0) {
        tk_port_putc(digits[--count]);
    }
}

void tk_say_hex(uint32_t value, int digits)
{
    while (digits > 0) {
        --digits;
        tk_port_putc("0123456789abcdef"[value >> (4 * digits) & 15u]);
    }
}
