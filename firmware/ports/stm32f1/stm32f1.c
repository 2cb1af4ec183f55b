// SPDX-License-Identifier: Apache-2.0
// STM32F1: internal oscillator, PLL to 24 MHz (the value line's limit), USART1 on PA9 and PA10,
// timestamps on PC9.
#include "bare.h"
#include "tinykit/port.h"
#include "usart.h"

#define RCC_CR TK_REG32(0x40021000u)
#define RCC_CFGR TK_REG32(0x40021004u)
#define RCC_APB2ENR TK_REG32(0x40021018u)
#define GPIOA_CRH TK_REG32(0x40010804u)
#define GPIOC_CRH TK_REG32(0x40011004u)
#define GPIOC_BSRR TK_REG32(0x40011010u)

#define HSI_HZ 8000000u
#define PLL_HZ 24000000u

static uint32_t start_clock(void)
{
    RCC_CFGR = 4u << 18; // PLL: HSI / 2 * 6
    RCC_CR |= 1u << 24;
    for (uint32_t turns = TK_PATIENCE; turns != 0; --turns) {
        if ((RCC_CR & (1u << 25)) != 0) {
            RCC_CFGR |= 2u; // run from the PLL
            return PLL_HZ;
        }
    }
    return HSI_HZ;
}

void tk_chip_init(void)
{
    const uint32_t clock_hz = start_clock();
    RCC_APB2ENR |= (1u << 14) | (1u << 2) | 1u; // USART1, port A, alternate functions
    // PA9: alternate function, push-pull, 50 MHz; PA10: floating input.
    GPIOA_CRH = (GPIOA_CRH & ~0xFF0u) | 0x4B0u;
    tk_usart_init(clock_hz);
}

uint32_t tk_port_micros(void)
{
    return tk_micros_of_cycles();
}

void tk_port_timestamp_pin(void)
{
    RCC_APB2ENR |= 1u << 4;                   // port C
    GPIOC_CRH = (GPIOC_CRH & ~0xF0u) | 0x10u; // PC9: push-pull, 10 MHz
    GPIOC_BSRR = 1u << (9 + 16);
    tk_hold_pulse();
    GPIOC_BSRR = 1u << 9;
}
