// SPDX-License-Identifier: Apache-2.0
// The machine that compiles: the serial line is stdin and stdout. Nothing here measures but a
// clock.
#include "tinykit/port.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tinykit/record.h"

#if !defined(__SANITIZE_ADDRESS__)
// A crash speaks as a board's fault handler does. stdio is not safe in a signal handler; the
// process is lost anyway, and a record that gets through helps.
static void report_signal(int number)
{
    signal(number, SIG_DFL);
    tk_port_putc('\n');
    tk_record record;
    tk_record_begin(&record, "fault");
    tk_record_text(&record, "kind", "signal");
    tk_record_int(&record, "number", number);
    tk_record_end(&record);
    (void)fflush(stdout);
    _Exit(1);
}
#endif

void tk_port_init(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    signal(SIGSEGV, report_signal);
    signal(SIGBUS, report_signal);
    signal(SIGFPE, report_signal);
    signal(SIGILL, report_signal);
#endif
}

void tk_port_putc(char byte)
{
    if (putchar((unsigned char)byte) == EOF) {
        _Exit(1);
    }
    if (byte == '\n') {
        (void)fflush(stdout);
    }
}

int tk_port_getc(void)
{
    (void)fflush(stdout);
    return getchar();
}

uint32_t tk_port_cycles(void)
{
    return 0;
}

uint32_t tk_port_micros(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (uint32_t)now.tv_sec * 1000000u + (uint32_t)(now.tv_nsec / 1000);
}

void tk_port_timestamp_pin(void)
{
}

_Noreturn void tk_port_exit(int status)
{
    (void)fflush(stdout);
    exit(status);
}

uint32_t tk_port_stack_used(void)
{
    return 0;
}

uint32_t tk_port_stack_size(void)
{
    return 0;
}
