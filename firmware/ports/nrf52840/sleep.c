// SPDX-License-Identifier: Apache-2.0
// Sleep by RTC0, which counts on at 32768 Hz while the core and its clock rest.
#include "bare.h"
#include "tinykit/sensor.h"

#define CLOCK_LFCLKSTART TK_REG32(0x40000008u)
#define CLOCK_LFCLKSTARTED TK_REG32(0x40000104u)
#define CLOCK_LFCLKSRC TK_REG32(0x40000518u)
#define RTC_START TK_REG32(0x4000B000u)
#define RTC_STOP TK_REG32(0x4000B004u)
#define RTC_CLEAR TK_REG32(0x4000B008u)
#define RTC_COMPARE0 TK_REG32(0x4000B140u)
#define RTC_INTENSET TK_REG32(0x4000B304u)
#define RTC_EVTENSET TK_REG32(0x4000B344u)
#define RTC_CC0 TK_REG32(0x4000B540u)
#define NVIC_ISER TK_REG32(0xE000E100u)
#define NVIC_ICPR TK_REG32(0xE000E280u)

#define COMPARE0 (1u << 16)
#define RTC0_INTERRUPT (1u << 11)
#define SOURCE_RC 0u
// The counter must be two ticks away from what it is compared with.
#define LEAST_TICKS 3u

static void start_clock(void)
{
    if (CLOCK_LFCLKSTARTED == 0) {
        CLOCK_LFCLKSRC = SOURCE_RC;
        CLOCK_LFCLKSTART = 1u;
    }
    RTC_INTENSET = COMPARE0;
    RTC_EVTENSET = COMPARE0;
    NVIC_ISER = RTC0_INTERRUPT;
}

// Interrupts are masked, so that a pending one ends the sleep and no handler is needed.
void tk_port_sleep(uint32_t micros)
{
    const uint32_t ticks = micros / 1000000u * 32768u + micros % 1000000u * 4096u / 125000u;
    __asm__ volatile("cpsid i" ::: "memory");
    start_clock();
    RTC_STOP = 1u;
    RTC_CLEAR = 1u;
    RTC_COMPARE0 = 0;
    RTC_CC0 = ticks < LEAST_TICKS ? LEAST_TICKS : ticks;
    RTC_START = 1u;
    while (RTC_COMPARE0 == 0) {
        __asm__ volatile("dsb\n wfi" ::: "memory");
    }
    RTC_STOP = 1u;
    RTC_COMPARE0 = 0;
    (void)RTC_COMPARE0; // the event is gone before what it left pending goes
    NVIC_ICPR = RTC0_INTERRUPT;
    __asm__ volatile("cpsie i" ::: "memory");
}
