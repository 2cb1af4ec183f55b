// SPDX-License-Identifier: Apache-2.0
// SiFive FE310-G000 (HiFive1): 16 MHz crystal, PLL to 256 MHz, UART0 on GPIO 16 and 17.
#include "bare.h"
#include "tinykit/port.h"

#define PRCI_HFROSCCFG TK_REG32(0x10008000u)
#define PRCI_HFXOSCCFG TK_REG32(0x10008004u)
#define PRCI_PLLCFG TK_REG32(0x10008008u)
#define PRCI_PLLOUTDIV TK_REG32(0x1000800Cu)
#define GPIO_OUTPUT_EN TK_REG32(0x10012008u)
#define GPIO_OUTPUT TK_REG32(0x1001200Cu)
#define GPIO_IOF_EN TK_REG32(0x10012038u)
#define GPIO_IOF_SEL TK_REG32(0x1001203Cu)
#define UART_TXDATA TK_REG32(0x10013000u)
#define UART_RXDATA TK_REG32(0x10013004u)
#define UART_TXCTRL TK_REG32(0x10013008u)
#define UART_RXCTRL TK_REG32(0x1001300Cu)
#define UART_DIV TK_REG32(0x10013018u)

// D2 of the HiFive1.
#define PIN_TIMESTAMP 18u

#define READY 0x80000000u
#define PLL_SELECT (1u << 16)
#define PLL_FROM_CRYSTAL (1u << 17)
#define PLL_BYPASS (1u << 18)
// 16 MHz / 2 * 64 / 2 = 256 MHz: fields r = 1, f = 31, q = 1.
#define PLL_256_MHZ ((1u << 10) | (31u << 4) | 1u)
#define CRYSTAL_HZ 16000000u
#define PLL_HZ 256000000u

static int wait_ready(volatile uint32_t *status)
{
    uint32_t turns = TK_PATIENCE;
    while ((*status & READY) == 0 && turns != 0) {
        --turns;
    }
    return turns != 0;
}

// Returns the clock of the core and of the UART, in hertz.
static uint32_t start_clock(void)
{
    PRCI_HFROSCCFG = (1u << 30) | (16u << 16) | 4u; // ring oscillator on, at its default trim
    PRCI_PLLCFG &= ~PLL_SELECT;                     // run from it while the PLL is set up
    PRCI_HFXOSCCFG = 1u << 30;
    (void)wait_ready(&PRCI_HFXOSCCFG);
    PRCI_PLLOUTDIV = 0x100u; // final divider off
    PRCI_PLLCFG = PLL_FROM_CRYSTAL | PLL_BYPASS | PLL_256_MHZ;
    PRCI_PLLCFG = PLL_FROM_CRYSTAL | PLL_256_MHZ;
    // The lock bit means nothing in the first 100 microseconds.
    for (volatile uint32_t turns = 1000; turns != 0; --turns) {
    }
    if (!wait_ready(&PRCI_PLLCFG)) {
        PRCI_PLLCFG = PLL_FROM_CRYSTAL | PLL_BYPASS | PLL_SELECT;
        return CRYSTAL_HZ;
    }
    PRCI_PLLCFG |= PLL_SELECT;
    return PLL_HZ;
}

void tk_chip_init(void)
{
    UART_DIV = start_clock() / TK_BAUD - 1u;
    GPIO_IOF_SEL &= ~((1u << 16) | (1u << 17));
    GPIO_IOF_EN |= (1u << 16) | (1u << 17);
    UART_TXCTRL = 1u;
    UART_RXCTRL = 1u;
}

void tk_port_putc(char byte)
{
    while ((UART_TXDATA & 0x80000000u) != 0) { // FIFO full
    }
    UART_TXDATA = (unsigned char)byte;
}

int tk_port_getc(void)
{
    uint32_t word;
    do {
        word = UART_RXDATA;
    } while ((word & 0x80000000u) != 0); // FIFO empty
    return (int)(word & 0xFFu);
}

// QEMU counts nanoseconds of its own time where the chip counts cycles: 3.9 times too many.
uint32_t tk_port_micros(void)
{
    return tk_micros_of_cycles();
}

void tk_port_timestamp_pin(void)
{
    GPIO_OUTPUT_EN |= 1u << PIN_TIMESTAMP;
    GPIO_OUTPUT &= ~(1u << PIN_TIMESTAMP);
    tk_hold_pulse();
    GPIO_OUTPUT |= 1u << PIN_TIMESTAMP;
}

// Halting is all the board can do: the last record said how it went.
_Noreturn void tk_port_exit(int status)
{
    (void)status;
    for (;;) {
        __asm__ volatile("wfi");
    }
}
