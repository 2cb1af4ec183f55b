// SPDX-License-Identifier: Apache-2.0
#include "bare.h"

#include "tinykit/port.h"
#include "tinykit/record.h"

_Noreturn void tk_start(void)
{
    const uint32_t *from = tk_data_load;
    for (uint32_t *to = tk_data_start; to < tk_data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = tk_bss_start; to < tk_bss_end; ++to) {
        *to = 0;
    }
    tk_port_exit(main());
}

uint32_t tk_micros(uint32_t count, uint32_t rate)
{
    // Whole microseconds, and the count that they end at: it may go round in between.
    static uint32_t micros, taken;
    const uint32_t passed = (count - taken) / rate;
    taken += passed * rate;
    micros += passed;
    return micros;
}

uint32_t tk_micros_of_cycles(void)
{
    return tk_micros(tk_port_cycles(), TK_CLOCK_HZ / 1000000u);
}

void tk_hold_pulse(void)
{
    for (volatile uint32_t turns = TK_PULSE; turns != 0; --turns) {
    }
}

uint32_t tk_port_stack_size(void)
{
    return (uint32_t)((uintptr_t)tk_stack_top - (uintptr_t)tk_stack_bottom);
}

uint32_t tk_port_stack_used(void)
{
    const volatile uint32_t *word = tk_stack_bottom;
    while (word < tk_stack_top && *word == TK_STACK_PAINT) {
        ++word;
    }
    return (uint32_t)((uintptr_t)tk_stack_top - (uintptr_t)word);
}

int tk_stack_holds(uint32_t sp, uint32_t room)
{
    return sp >= (uintptr_t)tk_stack_bottom && sp + room <= (uintptr_t)tk_stack_top;
}

_Noreturn void tk_fault(const char *kind, const tk_register *registers, uint32_t count)
{
    // The fault may have cut a record short: its line is ended before a new one begins.
    tk_port_putc('\n');
    tk_record record;
    tk_record_begin(&record, "fault");
    tk_record_text(&record, "kind", kind);
    for (uint32_t i = 0; i < count; ++i) {
        tk_record_hex(&record, registers[i].name, registers[i].value);
    }
    tk_record_end(&record);
    tk_port_exit(1);
}
