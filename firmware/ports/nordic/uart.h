// SPDX-License-Identifier: Apache-2.0
// The UART that nRF51 and nRF52 have in common.
#ifndef TK_PORT_UART_H
#define TK_PORT_UART_H

// Starts the crystal oscillator (the internal one is too far off for a serial line), then the UART
// at 115200 baud on the board's pins TK_PIN_TX and TK_PIN_RX.
void tk_uart_init(void);

#endif
