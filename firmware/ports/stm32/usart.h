// SPDX-License-Identifier: Apache-2.0
// The USART that STM32F1 and STM32F4 have in common; USART1 is the serial line of both ports.
#ifndef TK_PORT_USART_H
#define TK_PORT_USART_H

#include <stdint.h>

// Starts USART1 at TK_BAUD from its bus clock, in hertz.
void tk_usart_init(uint32_t clock_hz);

#endif
