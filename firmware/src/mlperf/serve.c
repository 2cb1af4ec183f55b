// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <string.h>

#include "buffer.h"
#include "say.h"
#include "tinykit/crc.h"
#include "tinykit/marks.h"
#include "tinykit/mlperf.h"
#include "tinykit/network.h"
#include "tinykit/port.h"
#include "words.h"

// What the protocol calls its own version; the runner reads it as the profile.
#define PROFILE "ULPMark for tinyML Firmware V0.0.1"
// Longest command, its '%' not counted.
#define COMMAND_SIZE 80u
#define WARMUPS 10u

typedef struct {
    const tk_mlperf_device *device;
    tk_mlperf_buffer buffer;
    // Whether there are results to tell.
    bool inferred;
} session;

static void say_lap(void)
{
    const uint32_t micros = tk_port_micros();
    tk_say("m-lap-us-");
    tk_say_uint(micros);
    tk_say("\r\n");
}

// Marked before and after: how long a line waits to be sent is not the program's.
static void timestamp(const session *s)
{
    tk_mark_timestamp();
    if (s->device->energy) {
        tk_port_timestamp_pin();
    } else {
        say_lap();
    }
    tk_mark_timestamp();
}

static void say_profile(const session *s)
{
    tk_say("m-profile-[" PROFILE "]\r\nm-model-[");
    tk_say(s->device->model);
    tk_say("]\r\n");
}

static void say_help(void)
{
    tk_say(PROFILE "\r\n\r\n"
                   "help             : this text\r\n"
                   "name             : who answers\r\n"
                   "profile          : version of the protocol, and the model\r\n"
                   "timestamp        : a lap time, or a pulse in energy mode\r\n"
                   "db load N        : expect N bytes of input\r\n"
                   "db HH[HH]*       : some of them, in hex\r\n"
                   "db print [N] [I] : N of them from the I-th\r\n"
                   "infer [N] [W]    : N timed inferences after W others (1, 10)\r\n"
                   "results          : of the last inference\r\n"
                   "crc              : of its output integers\r\n");
}

static void say_results(const session *s)
{
    if (!s->inferred) {
        tk_say("e-[There was no inference yet]\r\n");
        return;
    }
    tk_say("m-results-[");
    s->device->results(s->device);
    tk_say("]\r\n");
}

static void say_crc(const session *s)
{
    if (!s->inferred) {
        tk_say("e-[There was no inference yet]\r\n");
        return;
    }
    tk_say("m-crc-[");
    tk_say_hex(tk_crc32(TK_CRC32_INIT, s->device->outputs, tk_model.outputs), 8);
    tk_say("]\r\n");
}

// False, and said why, if the model refuses.
static bool run(const session *s, uint32_t count)
{
    while (count-- > 0) {
        const tk_status status = s->device->infer(s->device);
        if (status != TK_OK) {
            tk_say("e-[");
            tk_say(tk_status_text(status));
            tk_say("]\r\n");
            return false;
        }
        // Keeps a clock that goes round after some seconds from doing so unseen.
        (void)tk_port_micros();
    }
    return true;
}

static void say_count(const char *what, uint32_t count)
{
    tk_say(what);
    tk_say_uint(count);
    tk_say("\r\n");
}

// The inferences between "m-warmup-start" and "m-infer-done"; false if the model refuses.
static bool run_timed(const session *s, uint32_t count, uint32_t warmups)
{
    say_count("m-warmup-start-", warmups);
    if (!run(s, warmups)) {
        return false;
    }
    tk_say("m-warmup-done\r\n");
    say_count("m-infer-start-", count);
    timestamp(s);
    if (!run(s, count)) {
        return false;
    }
    timestamp(s);
    tk_say("m-infer-done\r\n");
    return true;
}

static void infer(session *s, uint32_t count, uint32_t warmups)
{
    const tk_mlperf_device *device = s->device;
    s->inferred = false;
    if (s->buffer.loaded != device->bytes) {
        tk_say("e-[Input has ");
        tk_say_uint((uint32_t)s->buffer.loaded);
        tk_say(" bytes, expected ");
        tk_say_uint((uint32_t)device->bytes);
        tk_say("]\r\n");
        return;
    }
    if (device->prepare != NULL) {
        device->prepare(device);
    }
    s->inferred = run_timed(s, count, warmups);
    if (device->conclude != NULL) {
        device->conclude(device);
    }
    if (s->inferred) {
        say_results(s);
    }
}

static void command_infer(session *s, char *words)
{
    uint32_t count = 1u, warmups = WARMUPS;
    const char *word = tk_next_word(&words);
    if (word != NULL && (!tk_parse_number(word, &count) || count == 0)) {
        tk_say("e-[Inference iterations must be >0]\r\n");
        return;
    }
    word = word == NULL ? NULL : tk_next_word(&words);
    if (word != NULL && !tk_parse_number(word, &warmups)) {
        tk_say("e-[Inference warmup must be >=0]\r\n");
        return;
    }
    infer(s, count, warmups);
}

static void obey(session *s, char *line)
{
    const char *word = tk_next_word(&line);
    if (word == NULL) {
        return;
    }
    if (strcmp(word, "name") == 0) {
        tk_say("m-name-dut-[tinykit]\r\n");
    } else if (strcmp(word, "profile") == 0) {
        say_profile(s);
    } else if (strcmp(word, "timestamp") == 0) {
        timestamp(s);
    } else if (strcmp(word, "help") == 0) {
        say_help();
    } else if (strcmp(word, "db") == 0) {
        tk_mlperf_buffer_command(&s->buffer, line);
    } else if (strcmp(word, "infer") == 0) {
        command_infer(s, line);
    } else if (strcmp(word, "results") == 0) {
        say_results(s);
    } else if (strcmp(word, "crc") == 0) {
        say_crc(s);
    } else {
        tk_say("e-[Unknown command: ");
        tk_say(word);
        tk_say("]\r\n");
    }
}

// Reads up to a '%', which ends every command; false if it is too long, and then left out.
static bool read_command(char *line)
{
    size_t used = 0;
    for (;;) {
        const int byte = tk_port_getc();
        if (byte < 0) {
            tk_port_exit(0);
        }
        if (byte == '%') {
            break;
        }
        if (used <= COMMAND_SIZE) {
            line[used++] = (char)byte;
        }
    }
    const bool fits = used <= COMMAND_SIZE;
    line[fits ? used : 0] = '\0';
    return fits;
}

_Noreturn void tk_mlperf_serve(const tk_mlperf_device *device)
{
    char line[COMMAND_SIZE + 1u];
    session s = {
        .device = device,
        .buffer = {.bytes = device->buffer, .capacity = device->bytes},
        .inferred = false,
    };
    tk_say(device->energy ? "m-timestamp-mode-energy\r\n" : "m-timestamp-mode-performance\r\n");
    // Leaves the pin high, so that the first pulse has two edges.
    timestamp(&s);
    tk_say("m-init-done\r\n");
    for (;;) {
        tk_say("m-ready\r\n");
        if (read_command(line)) {
            obey(&s, line);
        } else {
            tk_say("e-[The command is longer than 80 characters]\r\n");
        }
    }
}
