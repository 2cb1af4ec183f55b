// SPDX-License-Identifier: Apache-2.0
// Arm's MPS2 and MPS3 FPGA boards: the CMSDK UART and, for programs that time themselves, the
// FPGA's own counter. Their addresses are the board's (TK_UART_BASE, TK_FPGAIO_BASE).
#include "bare.h"
#include "tinykit/port.h"

#define UART_DATA TK_REG32(TK_UART_BASE + 0x00u)
#define UART_STATE TK_REG32(TK_UART_BASE + 0x04u)
#define UART_CTRL TK_REG32(TK_UART_BASE + 0x08u)
#define UART_BAUDDIV TK_REG32(TK_UART_BASE + 0x10u)

#if defined(TK_FPGAIO_BASE)
#define FPGAIO_LED TK_REG32(TK_FPGAIO_BASE + 0x00u)
#define FPGAIO_COUNTER TK_REG32(TK_FPGAIO_BASE + 0x18u)
#define FPGAIO_PRESCALE TK_REG32(TK_FPGAIO_BASE + 0x1Cu)
#if !defined(TK_FPGAIO_HZ)
#define TK_FPGAIO_HZ TK_CLOCK_HZ
#endif
#define MICROSECOND (TK_FPGAIO_HZ / 1000000u - 1u)
#endif

void tk_chip_init(void)
{
    UART_BAUDDIV = TK_CLOCK_HZ / TK_BAUD;
    UART_CTRL = 0x3u; // transmitter and receiver on
}

void tk_port_putc(char byte)
{
    while ((UART_STATE & 0x1u) != 0) { // transmit buffer full
    }
    UART_DATA = (unsigned char)byte;
}

int tk_port_getc(void)
{
    while ((UART_STATE & 0x2u) == 0) { // receive buffer empty
    }
    return (int)(UART_DATA & 0xFFu);
}

uint32_t tk_port_micros(void)
{
#if defined(TK_FPGAIO_BASE)
    if (FPGAIO_PRESCALE != MICROSECOND) {
        FPGAIO_PRESCALE = MICROSECOND;
    }
    // Renode has no such register.
    if (FPGAIO_PRESCALE == MICROSECOND) {
        return FPGAIO_COUNTER;
    }
#endif
    return tk_micros_of_cycles();
}

// The first LED.
void tk_port_timestamp_pin(void)
{
#if defined(TK_FPGAIO_BASE)
    FPGAIO_LED &= ~1u;
    tk_hold_pulse();
    FPGAIO_LED |= 1u;
#endif
}
