// SPDX-License-Identifier: Apache-2.0
// What the start-up code of every bare-metal port shares, and what a chip adds to it.
#ifndef TK_PORT_BARE_H
#define TK_PORT_BARE_H

#include <stdint.h>

// Memory-mapped register at an absolute address.
#define TK_REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define TK_REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))

// A loop that waits for hardware gives up after this many turns: an emulator that lacks the
// oscillator or PLL would otherwise never leave it.
#define TK_PATIENCE 20000u

// Turns that a timestamp's pulse lasts: some microseconds at the least on any core.
#define TK_PULSE 1000u

// Set by the linker script.
extern uint32_t tk_stack_bottom[];
extern uint32_t tk_stack_top[];
extern uint32_t tk_data_load[];
extern uint32_t tk_data_start[];
extern uint32_t tk_data_end[];
extern uint32_t tk_bss_start[];
extern uint32_t tk_bss_end[];

// Every word of unused stack holds this; the lowest word that does not is the high-water mark.
#define TK_STACK_PAINT 0xA5A5A5A5u

// Chip: clock and serial line. Cycle counters that belong to the core are not its business.
void tk_chip_init(void);

// Microseconds by a counter that goes round at 2^32 and grows by `rate` a microsecond; it is to be
// asked at least once a turn.
uint32_t tk_micros(uint32_t count, uint32_t rate);

// The same by the core's cycles, at TK_CLOCK_HZ: for chips without a better clock.
uint32_t tk_micros_of_cycles(void);

// Waits for the length of a timestamp's pulse.
void tk_hold_pulse(void);

// Copies .data, clears .bss, calls main. Entered with an empty, painted stack.
_Noreturn void tk_start(void);

// One register of a fault record.
typedef struct {
    // Member name in the record.
    const char *name;
    uint32_t value;
} tk_register;

// Sends the fault record and ends. `kind` is one word; every register appears as 8 hex digits.
_Noreturn void tk_fault(const char *kind, const tk_register *registers, uint32_t count);

// Whether `sp` with `room` bytes above it lies within the stack.
int tk_stack_holds(uint32_t sp, uint32_t room);

int main(void);

#endif
