// SPDX-License-Identifier: Apache-2.0
#include "uart.h"

#include "bare.h"
#include "tinykit/port.h"

#define CLOCK_HFCLKSTART TK_REG32(0x40000000u)
#define CLOCK_HFCLKSTARTED TK_REG32(0x40000100u)
#define GPIO_OUTSET TK_REG32(0x50000508u)
#define GPIO_OUTCLR TK_REG32(0x5000050Cu)
#define GPIO_DIRSET TK_REG32(0x50000518u)
#define UART_STARTRX TK_REG32(0x40002000u)
#define UART_STARTTX TK_REG32(0x40002008u)
#define UART_RXDRDY TK_REG32(0x40002108u)
#define UART_TXDRDY TK_REG32(0x4000211Cu)
#define UART_ENABLE TK_REG32(0x40002500u)
#define UART_PSELTXD TK_REG32(0x4000250Cu)
#define UART_PSELRXD TK_REG32(0x40002514u)
#define UART_RXD TK_REG32(0x40002518u)
#define UART_TXD TK_REG32(0x4000251Cu)
#define UART_BAUDRATE TK_REG32(0x40002524u)

// The values that the manuals give, not quite 2^32 * baud / 16 MHz.
#if TK_BAUD == 9600
#define BAUD_RATE 0x00275000u
#elif TK_BAUD == 921600
#define BAUD_RATE 0x0EBED000u
#elif TK_BAUD == 115200
#define BAUD_RATE 0x01D7E000u
#else
#error "no baud rate register value is known for this TK_BAUD"
#endif

#if !defined(TK_PIN_TIMESTAMP)
#define TK_PIN_TIMESTAMP 3u
#endif

void tk_uart_init(void)
{
    CLOCK_HFCLKSTARTED = 0;
    CLOCK_HFCLKSTART = 1u;
    for (uint32_t turns = TK_PATIENCE; turns != 0 && CLOCK_HFCLKSTARTED == 0; --turns) {
    }
    GPIO_OUTSET = 1u << TK_PIN_TX; // idle high before the UART takes the pin
    GPIO_DIRSET = 1u << TK_PIN_TX;
    UART_PSELTXD = TK_PIN_TX;
    UART_PSELRXD = TK_PIN_RX;
    UART_BAUDRATE = BAUD_RATE;
    UART_ENABLE = 4u;
    UART_STARTRX = 1u;
    UART_STARTTX = 1u;
}

void tk_port_putc(char byte)
{
    UART_TXDRDY = 0;
    UART_TXD = (unsigned char)byte;
    while (UART_TXDRDY == 0) {
    }
}

int tk_port_getc(void)
{
    while (UART_RXDRDY == 0) {
    }
    // Cleared before the byte is taken: a byte that follows at once raises it anew.
    UART_RXDRDY = 0;
    return (int)(UART_RXD & 0xFFu);
}

uint32_t tk_port_micros(void)
{
    return tk_micros_of_cycles();
}

void tk_port_timestamp_pin(void)
{
    GPIO_DIRSET = 1u << TK_PIN_TIMESTAMP;
    GPIO_OUTCLR = 1u << TK_PIN_TIMESTAMP;
    tk_hold_pulse();
    GPIO_OUTSET = 1u << TK_PIN_TIMESTAMP;
}
