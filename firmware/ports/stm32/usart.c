// SPDX-License-Identifier: Apache-2.0
#include "usart.h"

#include "bare.h"
#include "tinykit/port.h"

#define USART_SR TK_REG32(TK_USART_BASE + 0x00u)
#define USART_DR TK_REG32(TK_USART_BASE + 0x04u)
#define USART_BRR TK_REG32(TK_USART_BASE + 0x08u)
#define USART_CR1 TK_REG32(TK_USART_BASE + 0x0Cu)

#define SR_RXNE (1u << 5)
#define SR_TXE (1u << 7)

void tk_usart_init(uint32_t clock_hz)
{
    USART_BRR = (clock_hz + TK_BAUD / 2u) / TK_BAUD;
    USART_CR1 = (1u << 13) | (1u << 3) | (1u << 2); // on, transmitter, receiver
}

void tk_port_putc(char byte)
{
    while ((USART_SR & SR_TXE) == 0) {
    }
    USART_DR = (unsigned char)byte;
}

int tk_port_getc(void)
{
    while ((USART_SR & SR_RXNE) == 0) {
    }
    return (int)(USART_DR & 0xFFu);
}
