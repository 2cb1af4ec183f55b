// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <stddef.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\r' || c == '\n' || c == '\t';
}

char *tk_next_word(char **rest)
{
    char *start = *rest;
    while (is_blank(*start)) {
        ++start;
    }
    char *end = start;
    while (*end != '\0' && !is_blank(*end)) {
        ++end;
    }
    *rest = end;
    if (*end != '\0') {
        *end = '\0';
        *rest = end + 1;
    }
    return end == start ? NULL : start;
}

bool tk_parse_number(const char *word, uint32_t *value)
{
    uint32_t number = 0;
    if (*word == '\0') {
        return false;
    }
    for (; *word != '\0'; ++word) {
        if (*word < '0' || *word > '9') {
            return false;
        }
        const uint32_t digit = (uint32_t)(*word - '0');
        if (number > (INT32_MAX - digit) / 10u) {
            return false;
        }
        number = number * 10u + digit;
    }
    *value = number;
    return true;
}
