// SPDX-License-Identifier: Apache-2.0
// QEMU's and Renode's generic RISC-V machine `virt`: a 16550 UART and a test finisher.
#include "bare.h"
#include "tinykit/port.h"

#define UART_BASE 0x10000000u
#define UART_DATA TK_REG8(UART_BASE + 0u)
#define UART_FIFO TK_REG8(UART_BASE + 2u)
#define UART_LINE TK_REG8(UART_BASE + 3u)
#define UART_STATUS TK_REG8(UART_BASE + 5u)
// The timer of the core's interrupt controller, at the 10 MHz of QEMU's machine.
#define MTIME TK_REG32(0x0200BFF8u)
#define MTIME_PER_MICROSECOND 10u
#define FINISHER TK_REG32(0x00100000u)

void tk_chip_init(void)
{
    UART_LINE = 0x03u; // 8 data bits, no parity, one stop bit
    UART_FIFO = 0x01u; // FIFOs on
}

void tk_port_putc(char byte)
{
    while ((UART_STATUS & 0x20u) == 0) { // transmit holding register in use
    }
    UART_DATA = (unsigned char)byte;
}

int tk_port_getc(void)
{
    while ((UART_STATUS & 0x01u) == 0) { // nothing received
    }
    return UART_DATA;
}

uint32_t tk_port_micros(void)
{
    return tk_micros(MTIME, MTIME_PER_MICROSECOND);
}

// The machine has no pins.
void tk_port_timestamp_pin(void)
{
}

_Noreturn void tk_port_exit(int status)
{
    FINISHER = status == 0 ? 0x5555u : ((uint32_t)status << 16) | 0x3333u;
    for (;;) {
        __asm__ volatile("wfi");
    }
}
