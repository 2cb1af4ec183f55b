// SPDX-License-Identifier: Apache-2.0
// A line is watched until it has been high in a hop, so that each wakes the core at most once a
// hop.
#include <stddef.h>
#include <string.h>

#include "tinykit/comparators.h"
#include "tinykit/lines.h"

typedef struct {
    const tk_comparators_params *params;
    // All lines, and those that were high in this hop so far.
    uint32_t all, seen;
    // Where the oldest row waits, and how many do.
    uint32_t first, waiting;
    // Whether hops go on; whether they are to end with the sound; whether rows were lost.
    bool running, idle, lost;
    // Where the row goes that is being read.
    uint8_t *row;
} comparators;

// Of interrupts, and of the program while it masks them.
static comparators own;

// Marks the lines that are high and watches the others. A line that rises while another one is
// still watched and high wakes nobody, so it looks until there is none.
static void look(void)
{
    uint32_t high;
    do {
        high = tk_port_lines_read() & own.all & ~own.seen;
        own.seen |= high;
        tk_port_lines_watch(own.all & ~own.seen);
    } while (high != 0);
}

void tk_lines_rose(void)
{
    look();
    if (!own.running && own.seen != 0) {
        own.running = true;
        tk_port_hop_start(own.params->hop / 2, own.params->hop);
    }
}

static uint8_t *slot(uint32_t index)
{
    const uint32_t at = own.first + index;
    const uint32_t depth = own.params->depth;
    return own.params->queue + (size_t)(at < depth ? at : at - depth) * own.params->row_bytes;
}

void tk_lines_hop(void)
{
    if (own.waiting == own.params->depth) {
        own.lost = true;
    } else {
        uint8_t *row = slot(own.waiting++);
        for (uint32_t i = 0; i < own.params->row_bytes; ++i) {
            row[i] = (uint8_t)(own.seen >> 8u * i);
        }
    }
    own.seen = 0;
    look();
}

// Takes the oldest row if there is one; else ends the hops if they are to.
static bool take(void)
{
    if (own.lost) {
        return true;
    }
    if (own.waiting != 0) {
        memcpy(own.row, slot(0), own.params->row_bytes);
        own.first = own.first + 1 == own.params->depth ? 0 : own.first + 1;
        --own.waiting;
        return true;
    }
    if (own.idle && own.running && own.seen == 0) {
        own.running = false;
        tk_port_hop_stop();
    }
    return false;
}

void tk_comparators_start(const tk_comparators_params *params)
{
    memset(&own, 0, sizeof own);
    own.params = params;
    own.all = 0xFFFFFFFFu >> (TK_COMPARATORS_LINES - params->lines);
    tk_port_lines_start(params->lines);
    tk_port_lines_watch(own.all);
}

tk_sensor_status tk_comparators_read(bool idle, uint8_t *row)
{
    own.idle = idle;
    own.row = row;
    tk_port_sleep_until(take);
    if (own.lost) {
        // Hops go on. What waits is what came before the loss.
        own.waiting = 0;
        own.lost = false;
        return TK_SENSOR_ERR_OVERRUN;
    }
    return TK_SENSOR_OK;
}
