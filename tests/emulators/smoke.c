// SPDX-License-Identifier: Apache-2.0
// A firmware that speaks the whole UART protocol with a toy for a network, to test boards without
// the code generator. SMOKE_FAULT, SMOKE_HANG, SMOKE_OVERFLOW and SMOKE_GARBLE make it misbehave.
#include <stdint.h>
#include <string.h>

#include "tinykit/crc.h"
#include "tinykit/marks.h"
#include "tinykit/port.h"
#include "tinykit/record.h"

enum { HOP = 320, LAYERS = 3, FEATURES = 8 };

int main(void);

static volatile uint32_t sink;
static volatile uint32_t initialised = 0x600DF00Du;
static uint32_t feature_crc;

static void work(uint32_t turns)
{
    for (uint32_t i = 0; i < turns; ++i) {
        sink += i;
    }
}

// Layer i costs 100 * 2^i turns; the class is the sum of the features modulo 4.
static int8_t invoke(const int8_t *features)
{
    int32_t sum = 0;
    tk_mark_begin();
    for (uint32_t layer = 0; layer < LAYERS; ++layer) {
        work(100u << layer);
        tk_mark_layer();
    }
    for (uint32_t i = 0; i < FEATURES; ++i) {
        sum += features[i];
    }
    return (int8_t)(sum & 3);
}

static void send_scores(const char *type, int32_t index, int8_t class, int passes)
{
    const int8_t scores[4] = {class, (int8_t)-class, -128, 127};
    tk_record record;
    tk_record_begin(&record, type);
    tk_record_int(&record, "i", index);
    if (strcmp(type, "clip") == 0) {
        tk_record_hex(&record, "features", feature_crc);
    }
    tk_record_int(&record, "class", class);
    tk_record_ints(&record, "scores", scores, 4);
    if (passes >= 0) {
        tk_record_bool(&record, "pass", passes != 0);
    }
    tk_record_end(&record);
}

static void send(const char *type)
{
    tk_record record;
    tk_record_begin(&record, type);
    tk_record_end(&record);
}

#if defined(SMOKE_OVERFLOW)
__attribute__((noinline)) static uint32_t sink_down(uint32_t depth)
{
    volatile uint32_t frame[64];
    for (uint32_t i = 0; i < 64; ++i) {
        frame[i] = depth;
    }
    return depth == 0 ? 0 : sink_down(depth - 1) + frame[depth & 63u];
}
#endif

static void misbehave(void)
{
#if defined(SMOKE_FAULT) && defined(__riscv)
    __asm__ volatile("unimp");
#elif defined(SMOKE_FAULT)
    __builtin_trap();
#elif defined(SMOKE_OVERFLOW)
    sink = sink_down(100000);
#elif defined(SMOKE_HANG)
    for (;;) {
        ++sink;
    }
#elif defined(SMOKE_GARBLE)
    const char *text = "{\"t\":\"vector\",\"i\":7,\"class\":1,\"ck\":\"0000\"}\n";
    while (*text != '\0') {
        tk_port_putc(*text++);
    }
#endif
}

static void say_boot(void)
{
    tk_record record;
    tk_record_begin(&record, "boot");
    tk_record_text(&record, "board", TK_BOARD_ID);
    tk_record_text(&record, "network", "0123456789abcdef");
    tk_record_text(&record, "tinykit", "smoke");
    tk_record_uint(&record, "arena", FEATURES);
    tk_record_uint(&record, "stack", tk_port_stack_size());
    tk_record_end(&record);
}

static void self_test(void)
{
    static const int8_t features[FEATURES] = {1, 2, 3, 4, 5, 6, 7, 8};
    tk_record record;
    const int8_t class = invoke(features);
    const int passes = class == 0 && initialised == 0x600DF00Du;
    send_scores("vector", 0, class, passes);
    tk_record_begin(&record, "stack");
    tk_record_uint(&record, "used", tk_port_stack_used());
    tk_record_uint(&record, "size", tk_port_stack_size());
    tk_record_end(&record);
    tk_record_begin(&record, "done");
    tk_record_uint(&record, "pass", (uint32_t)passes);
    tk_record_uint(&record, "fail", 1u - (uint32_t)passes);
    tk_record_text(&record, "verdict", passes ? "PASS" : "FAIL");
    tk_record_end(&record);
}

static void receive(void *to, size_t size)
{
    uint8_t *byte = to;
    tk_port_putc('>');
    while (size-- != 0) {
        *byte++ = (uint8_t)tk_port_getc();
    }
}

static void clip(uint32_t samples)
{
    static int16_t chunk[HOP];
    int8_t features[FEATURES] = {0};
    feature_crc = TK_CRC32_INIT;
    while (samples != 0) {
        const uint32_t take = samples < HOP ? samples : HOP;
        receive(chunk, take * sizeof chunk[0]);
        tk_mark_frontend_begin();
        feature_crc = tk_crc32(feature_crc, chunk, take * sizeof chunk[0]);
        tk_mark_frontend_end();
        features[0] = (int8_t)(features[0] + chunk[take - 1]);
        samples -= take;
    }
    send_scores("clip", -1, invoke(features), -1);
}

static uint32_t read_number(void)
{
    uint32_t number = 0;
    for (int c = tk_port_getc(); c != '\n' && c >= 0; c = tk_port_getc()) {
        number = c == ' ' ? 0 : number * 10u + (uint32_t)(c - '0');
    }
    return number;
}

int main(void)
{
    int8_t features[FEATURES];
    tk_port_init();
    say_boot();
    misbehave();
    self_test();
    send("ready");
    for (;;) {
        const int command = tk_port_getc();
        const uint32_t number = read_number();
        if (command == 'c') {
            clip(number);
        } else if (command == 'f') {
            receive(features, sizeof features);
            send_scores("vector", -1, invoke(features), -1);
        } else if (command == 's') {
            self_test();
        } else {
            send("bye");
            return 0;
        }
    }
}
