// SPDX-License-Identifier: Apache-2.0
#include "buffer.h"

#include <string.h>

#include "say.h"
#include "words.h"

#define PER_LINE 8u

static void load(tk_mlperf_buffer *buffer, char *words)
{
    uint32_t size;
    const char *word = tk_next_word(&words);
    if (word == NULL) {
        tk_say("e-[Command 'db load' requires the # of bytes]\r\n");
        return;
    }
    buffer->expected = 0;
    buffer->loaded = 0;
    if (!tk_parse_number(word, &size) || size == 0) {
        tk_say("e-[Command 'db load' must be >0 bytes]\r\n");
    } else if (size > buffer->capacity) {
        tk_say("e-[Supplied buffer size ");
        tk_say_uint(size);
        tk_say(" exceeds maximum of ");
        tk_say_uint((uint32_t)buffer->capacity);
        tk_say("]\r\n");
    } else {
        buffer->expected = size;
        tk_say("m-[Expecting ");
        tk_say_uint(size);
        tk_say(" bytes]\r\n");
    }
}

// [count [offset]]; all of the buffer where they are left out.
static void print(const tk_mlperf_buffer *buffer, char *words)
{
    uint32_t count = (uint32_t)buffer->expected, offset = 0;
    const char *word = tk_next_word(&words);
    const char *second = tk_next_word(&words);
    if ((word != NULL && !tk_parse_number(word, &count)) ||
        (second != NULL && !tk_parse_number(second, &offset))) {
        tk_say("e-[Command 'db print' takes numbers]\r\n");
        return;
    }
    const size_t left = offset < buffer->expected ? buffer->expected - offset : 0;
    count = count < left ? count : (uint32_t)left;
    for (uint32_t i = 0; i < count; ++i) {
        tk_say(i % PER_LINE == 0 ? "m-buffer-" : "-");
        tk_say_hex(buffer->bytes[offset + i], 2);
        if (i % PER_LINE == PER_LINE - 1u || i + 1u == count) {
            tk_say("\r\n");
        }
    }
}

// The value of a hexadecimal digit; negative for anything else.
static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void say_bad_digit(const char *pair)
{
    char text[3] = {pair[0], pair[1], '\0'};
    tk_say("e-[Invalid hex digit '");
    tk_say(text);
    tk_say("']\r\n");
}

// Digits beyond the last byte that is expected are ignored.
static void append(tk_mlperf_buffer *buffer, const char *digits)
{
    if (strlen(digits) % 2u != 0) {
        tk_say("e-[Insufficent number of hex digits]\r\n");
        return;
    }
    if (buffer->loaded == buffer->expected) {
        tk_say("e-[Command 'db' with bytes requires 'db load' first]\r\n");
        return;
    }
    for (; *digits != '\0'; digits += 2) {
        const int high = digit_value(digits[0]), low = digit_value(digits[1]);
        if (high < 0 || low < 0) {
            say_bad_digit(digits);
            return;
        }
        buffer->bytes[buffer->loaded++] = (uint8_t)(high << 4 | low);
        if (buffer->loaded == buffer->expected) {
            tk_say("m-load-done\r\n");
            return;
        }
    }
}

void tk_mlperf_buffer_command(tk_mlperf_buffer *buffer, char *words)
{
    const char *word = tk_next_word(&words);
    if (word == NULL) {
        tk_say("e-[Command 'db' requires a subcommand]\r\n");
    } else if (strcmp(word, "load") == 0) {
        load(buffer, words);
    } else if (strcmp(word, "print") == 0) {
        print(buffer, words);
    } else {
        append(buffer, word);
    }
}
