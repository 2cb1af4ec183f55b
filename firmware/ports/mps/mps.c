// SPDX-License-Identifier: Apache-2.0
// Arm's MPS2 and MPS3 FPGA boards: the CMSDK UART. Its address is the board's (TK_UART_BASE).
#include "bare.h"
#include "tinykit/port.h"

#define UART_DATA TK_REG32(TK_UART_BASE + 0x00u)
#define UART_STATE TK_REG32(TK_UART_BASE + 0x04u)
#define UART_CTRL TK_REG32(TK_UART_BASE + 0x08u)
#define UART_BAUDDIV TK_REG32(TK_UART_BASE + 0x10u)

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
