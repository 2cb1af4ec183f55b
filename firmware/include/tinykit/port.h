// SPDX-License-Identifier: Apache-2.0
// What the firmware needs from a board: a byte channel, a cycle counter, an end, and the depth of
// its stack; programs that time themselves also a clock and a pin. A folder under firmware/ports/
// implements it for one family of chips.
#ifndef TINYKIT_PORT_H
#define TINYKIT_PORT_H

#include <stdint.h>

// Sets up clock, serial line and cycle counter. Called once, first thing in main.
void tk_port_init(void);

// Sends one byte; waits while the transmitter is full, so that no byte is lost.
void tk_port_putc(char byte);

// Waits for one byte, 0 to 255. Negative when the line is closed (host only).
int tk_port_getc(void);

// Core cycles since tk_port_init, modulo 2^32. Emulators do not model cycles and may give 0.
uint32_t tk_port_cycles(void);

// Microseconds since some moment before the first call, modulo 2^32. What counts them must not go
// round unseen: calls are less than 16 seconds apart. Of emulated time where an emulator knows any.
uint32_t tk_port_micros(void);

// Pulls the pin for timestamps low for some microseconds, and high again: a power monitor takes the
// rising edge as a mark. Nothing happens where the port has no such pin.
void tk_port_timestamp_pin(void);

// Sends what is buffered and ends with `status`, 0 for success; a chip on its own halts here.
_Noreturn void tk_port_exit(int status);

// Most bytes of stack in use at any time since reset; 0 where it is not measured (host).
uint32_t tk_port_stack_used(void);

// Bytes reserved for the stack; 0 where nothing is reserved (host).
uint32_t tk_port_stack_size(void);

#endif
