// SPDX-License-Identifier: Apache-2.0
// Digital inputs that wake the core, and the clock of the hops between. Ports that have both
// implement what is called tk_port_... here; port.h has the rest.
#ifndef TINYKIT_LINES_H
#define TINYKIT_LINES_H

#include <stdbool.h>
#include <stdint.h>

// Makes lines 0 to count - 1 inputs, and lets interrupts call the two functions below. None of the
// lines is watched yet.
void tk_port_lines_start(uint32_t count);

// The levels now: bit i is line i.
uint32_t tk_port_lines_read(void);

// Watches `lines`, and no others: tk_lines_rose is called while it is so that none of them is high
// and one becomes so. Where one is high already, the call may come or not.
void tk_port_lines_watch(uint32_t lines);

// Calls tk_lines_hop after `first` microseconds and then every `hop`, each at most a second; on the
// average to within the clock's own error.
void tk_port_hop_start(uint32_t first, uint32_t hop);
void tk_port_hop_stop(void);

// Lets the core sleep until `done` says true. `done` is asked first, and after each interrupt; none
// comes while it runs.
void tk_port_sleep_until(bool (*done)(void));

// What ports call, as interrupts of which none interrupts another.
void tk_lines_rose(void);
void tk_lines_hop(void);

#endif
