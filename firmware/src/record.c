// SPDX-License-Identifier: Apache-2.0
#include "tinykit/record.h"

#include "tinykit/crc.h"
#include "tinykit/port.h"

static void put(tk_record *record, char c)
{
    record->crc = tk_crc16(record->crc, (uint8_t)c);
    tk_port_putc(c);
}

static void put_text(tk_record *record, const char *text)
{
    while (*text != '\0') {
        put(record, *text++);
    }
}

static char hex_digit(uint32_t value)
{
    return "0123456789abcdef"[value & 15u];
}

static void put_uint(tk_record *record, uint32_t value)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    while (count > 0) {
        put(record, digits[--count]);
    }
}

static void put_int(tk_record *record, int32_t value)
{
    if (value < 0) {
        put(record, '-');
        put_uint(record, 0u - (uint32_t)value);
    } else {
        put_uint(record, (uint32_t)value);
    }
}

// Quotes and backslashes are escaped; control bytes become '?', as they would break the line.
static void put_string(tk_record *record, const char *text)
{
    put(record, '"');
    for (; *text != '\0'; ++text) {
        if (*text == '"' || *text == '\\') {
            put(record, '\\');
        }
        put(record, (unsigned char)*text < 0x20u ? '?' : *text);
    }
    put(record, '"');
}

static void put_name(tk_record *record, const char *name)
{
    put(record, ',');
    put_string(record, name);
    put(record, ':');
}

void tk_record_begin(tk_record *record, const char *type)
{
    record->crc = TK_CRC16_INIT;
    put_text(record, "{\"t\":");
    put_string(record, type);
}

void tk_record_text(tk_record *record, const char *name, const char *value)
{
    put_name(record, name);
    put_string(record, value);
}

void tk_record_int(tk_record *record, const char *name, int32_t value)
{
    put_name(record, name);
    put_int(record, value);
}

void tk_record_uint(tk_record *record, const char *name, uint32_t value)
{
    put_name(record, name);
    put_uint(record, value);
}

void tk_record_hex(tk_record *record, const char *name, uint32_t value)
{
    put_name(record, name);
    put(record, '"');
    for (int shift = 28; shift >= 0; shift -= 4) {
        put(record, hex_digit(value >> shift));
    }
    put(record, '"');
}

void tk_record_bool(tk_record *record, const char *name, bool value)
{
    put_name(record, name);
    put_text(record, value ? "true" : "false");
}

void tk_record_ints(tk_record *record, const char *name, const int8_t *values, size_t count)
{
    put_name(record, name);
    put(record, '[');
    for (size_t i = 0; i < count; ++i) {
        if (i != 0) {
            put(record, ',');
        }
        put_int(record, values[i]);
    }
    put(record, ']');
}

void tk_record_end(tk_record *record)
{
    const uint16_t crc = record->crc;
    put_text(record, ",\"ck\":\"");
    for (int shift = 12; shift >= 0; shift -= 4) {
        tk_port_putc(hex_digit((uint32_t)crc >> shift));
    }
    tk_port_putc('"');
    tk_port_putc('}');
    tk_port_putc('\n');
}
