// SPDX-License-Identifier: Apache-2.0
// What a board must provide; one implementation a folder in firmware/ports/.
#ifndef TINYKIT_PORT_H
#define TINYKIT_PORT_H

#include <stdint.h>

// Sets up clock and UART. Called once, first in main().
void tk_port_init(void);

// Sends one byte to the host; blocks while the transmitter is full.
void tk_port_putc(char c);

// Receives one byte, 0 to 255; blocks until there is one. Negative at the end of the input, which
// only the host port can see.
int tk_port_getc(void);

// Processor cycles since tk_port_init(), modulo 2^32; 0 where the core has no counter.
uint32_t tk_port_cycles(void);

// Deepest use of the stack so far in bytes: the paint laid down at start-up that is gone.
uint32_t tk_port_stack_used(void);

// Bytes reserved for the stack.
uint32_t tk_port_stack_size(void);

// Ends the program under an emulator (status 0 is success); loops forever on a board.
_Noreturn void tk_port_exit(int status);

#endif
