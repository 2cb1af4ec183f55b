// SPDX-License-Identifier: Apache-2.0
// JSON records over the UART, one a line: {"t":"type",...,"ck":"hhhh"}
//
// `ck` is the CRC-16/CCITT-FALSE over the line's bytes before `,"ck"`. Numbers are integers; names
// and texts must need no escaping beyond what tk_record_text() does.
#ifndef TINYKIT_RECORD_H
#define TINYKIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    // CRC-16 of the bytes sent so far.
    uint16_t crc;
} tk_record;

// Starts a line with its type.
void tk_record_begin(tk_record *record, const char *type);

// Adds one member.
void tk_record_text(tk_record *record, const char *name, const char *value);
void tk_record_int(tk_record *record, const char *name, int32_t value);
void tk_record_uint(tk_record *record, const char *name, uint32_t value);
void tk_record_hex(tk_record *record, const char *name, uint32_t value);
void tk_record_bool(tk_record *record, const char *name, bool value);
void tk_record_ints(tk_record *record, const char *name, const int8_t *values, size_t count);

// Ends the line with its check sum.
void tk_record_end(tk_record *record);

#endif
