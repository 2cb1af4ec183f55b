// SPDX-License-Identifier: Apache-2.0
// The UART that nRF51 and nRF52 have in common, and their pin for timestamps.
#ifndef TK_PORT_UART_H
#define TK_PORT_UART_H

// Starts the crystal oscillator (the internal one is too far off for a serial line), then the UART
// at TK_BAUD (9600, 115200 or 921600) on the board's pins TK_PIN_TX and TK_PIN_RX.
void tk_uart_init(void);

#endif
