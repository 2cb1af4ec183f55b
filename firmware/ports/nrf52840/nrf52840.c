// SPDX-License-Identifier: Apache-2.0
// nRF52840: the instruction cache is off at reset.
#include "bare.h"
#include "uart.h"

#define NVMC_ICACHECNF TK_REG32(0x4001E540u)

void tk_chip_init(void)
{
    NVMC_ICACHECNF = 1u;
    tk_uart_init();
}
