// SPDX-License-Identifier: Apache-2.0
// STM32F405 and F407: internal oscillator (boards differ in their crystals), PLL to 168 MHz,
// USART1 on PA9 and PA10.
#include "bare.h"
#include "usart.h"

#define RCC_CR TK_REG32(0x40023800u)
#define RCC_PLLCFGR TK_REG32(0x40023804u)
#define RCC_CFGR TK_REG32(0x40023808u)
#define RCC_AHB1ENR TK_REG32(0x40023830u)
#define RCC_APB2ENR TK_REG32(0x40023844u)
#define FLASH_ACR TK_REG32(0x40023C00u)
#define GPIOA_MODER TK_REG32(0x40020000u)
#define GPIOA_AFRH TK_REG32(0x40020024u)

#define HSI_HZ 16000000u
#define APB2_HZ 84000000u

// Returns the clock of USART1's bus, in hertz.
static uint32_t start_clock(void)
{
    RCC_PLLCFGR = (7u << 24) | (336u << 6) | 16u; // HSI / 16 * 336 / 2 = 168 MHz
    RCC_CR |= 1u << 24;
    for (uint32_t turns = TK_PATIENCE; turns != 0; --turns) {
        if ((RCC_CR & (1u << 25)) != 0) {
            FLASH_ACR = (1u << 10) | (1u << 9) | (1u << 8) | 5u; // caches, prefetch, 5 wait states
            RCC_CFGR = (4u << 13) | (5u << 10);                  // APB2 / 2, APB1 / 4
            RCC_CFGR |= 2u;                                      // run from the PLL
            return APB2_HZ;
        }
    }
    return HSI_HZ;
}

void tk_chip_init(void)
{
    const uint32_t clock_hz = start_clock();
    RCC_AHB1ENR |= 1u;
    RCC_APB2ENR |= 1u << 4;
    // PA9 and PA10: alternate function 7.
    GPIOA_MODER = (GPIOA_MODER & ~(0xFu << 18)) | (0xAu << 18);
    GPIOA_AFRH = (GPIOA_AFRH & ~0xFF0u) | 0x770u;
    tk_usart_init(clock_hz);
}
