// SPDX-License-Identifier: Apache-2.0
// nRF51: its Cortex-M0 has no cycle counter, so TIMER0 counts at the core's 16 MHz.
#include "bare.h"
#include "tinykit/port.h"
#include "uart.h"

#define TIMER_START TK_REG32(0x40008000u)
#define TIMER_CAPTURE0 TK_REG32(0x40008040u)
#define TIMER_BITMODE TK_REG32(0x40008508u)
#define TIMER_PRESCALER TK_REG32(0x40008510u)
#define TIMER_CC0 TK_REG32(0x40008540u)

void tk_chip_init(void)
{
    tk_uart_init();
    TIMER_BITMODE = 3u; // 32 bits
    TIMER_PRESCALER = 0;
    TIMER_START = 1u;
}

uint32_t tk_port_cycles(void)
{
    TIMER_CAPTURE0 = 1u;
    return TIMER_CC0;
}
