// SPDX-License-Identifier: Apache-2.0
// STM32F405 and F407: internal oscillator (boards differ in their crystals), PLL to 168 MHz,
// USART1 on PA9 and PA10, timestamps on PB0.
#include "bare.h"
#include "tinykit/port.h"
#include "usart.h"

#define RCC_CR TK_REG32(0x40023800u)
#define RCC_PLLCFGR TK_REG32(0x40023804u)
#define RCC_CFGR TK_REG32(0x40023808u)
#define RCC_AHB1ENR TK_REG32(0x40023830u)
#define RCC_APB1ENR TK_REG32(0x40023840u)
#define RCC_APB2ENR TK_REG32(0x40023844u)
#define FLASH_ACR TK_REG32(0x40023C00u)
#define TIM2_CR1 TK_REG32(0x40000000u)
#define TIM2_EGR TK_REG32(0x40000014u)
#define TIM2_CNT TK_REG32(0x40000024u)
#define TIM2_PSC TK_REG32(0x40000028u)
#define TIM2_ARR TK_REG32(0x4000002Cu)
#define GPIOB_MODER TK_REG32(0x40020400u)
#define GPIOB_BSRR TK_REG32(0x40020418u)
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

// The clock of TIM2, in megahertz: its bus is divided by 4, and the timer runs twice as fast.
static uint32_t timer_mhz(void)
{
    if (RCC_CR == 0) {
        return 1000u; // on a chip, an oscillator is on: this is QEMU, which has no such register
    }
    return ((RCC_CFGR & 0xCu) == 0x8u ? APB2_HZ : HSI_HZ) / 1000000u;
}

// TIM2, which has 32 bits, counts microseconds.
static void start_timer(void)
{
    RCC_APB1ENR |= 1u;
    TIM2_PSC = timer_mhz() - 1u;
    TIM2_ARR = 0xFFFFFFFFu;
    TIM2_EGR = 1u; // takes the prescaler over
    TIM2_CR1 = 1u;
}

uint32_t tk_port_micros(void)
{
    if ((TIM2_CR1 & 1u) == 0) {
        start_timer();
    }
    // Tinykit's platform for Renode has no such timer.
    return (TIM2_CR1 & 1u) != 0 ? TIM2_CNT : tk_micros_of_cycles();
}

void tk_port_timestamp_pin(void)
{
    RCC_AHB1ENR |= 1u << 1;
    GPIOB_MODER = (GPIOB_MODER & ~3u) | 1u; // PB0: output
    GPIOB_BSRR = 1u << 16;
    tk_hold_pulse();
    GPIOB_BSRR = 1u;
}
