// SPDX-License-Identifier: Apache-2.0
// Inputs and a clock for hops, for a streaming firmware on this machine. Reads from stdin flags and
// a count, both uint32, and that many pairs of microseconds and levels. Time passes while the
// firmware sleeps; once it sleeps for good, the program ends.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tinykit/lines.h"
#include "tinykit/port.h"

enum {
    // Once, a hundred hops go by before the firmware gets to run.
    LATE = 1,
};
enum { MOST_STEPS = 4096, LATE_EVENTS = 200 };

static uint32_t header[2];
static uint32_t steps[MOST_STEPS][2];
static uint32_t step, levels, watched, due, length;
static bool running, detected, pending;

void tk_port_lines_start(uint32_t count)
{
    (void)count;
    if (fread(header, sizeof header, 1, stdin) != 1 || header[1] > MOST_STEPS ||
        fread(steps, sizeof *steps, header[1], stdin) != header[1]) {
        tk_port_exit(2);
    }
}

uint32_t tk_port_lines_read(void)
{
    return levels;
}

// As on nRF52: a call when none of the watched lines was high and one is.
static void detect(void)
{
    const bool now = (levels & watched) != 0;
    pending = pending || (now && !detected);
    detected = now;
}

void tk_port_lines_watch(uint32_t lines)
{
    watched = lines;
    detect();
}

void tk_port_hop_start(uint32_t first, uint32_t hop)
{
    running = true;
    due = steps[step - 1][0] + first;
    length = hop;
}

void tk_port_hop_stop(void)
{
    running = false;
}

// What comes next: a step, or the end of a hop. Nothing ever does where neither is left.
static void pass_event(void)
{
    const bool more = step < header[1];
    if (running && !(more && steps[step][0] < due)) {
        due += length;
        tk_lines_hop();
    } else if (more) {
        levels = steps[step++][1];
        detect();
    } else {
        tk_port_exit(0);
    }
    while (pending) {
        pending = false;
        tk_lines_rose();
    }
}

void tk_port_sleep_until(bool (*done)(void))
{
    while (!done()) {
        const bool late = (header[0] & LATE) != 0 && step > header[1] / 2;
        for (int i = 0; i < (late ? LATE_EVENTS : 1); ++i) {
            pass_event();
        }
        header[0] &= late ? 0u : ~0u;
    }
}
