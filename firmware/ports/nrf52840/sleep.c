// SPDX-License-Identifier: Apache-2.0
#include "rtc.h"
#include "tinykit/sensor.h"

// The counter must be two ticks away from what it is compared with.
#define LEAST_TICKS 3u

// Interrupts are masked, so that a pending one ends the sleep and no handler is needed.
void tk_port_sleep(uint32_t micros)
{
    const uint32_t ticks = micros / 1000000u * 32768u + micros % 1000000u * 4096u / 125000u;
    __asm__ volatile("cpsid i" ::: "memory");
    tk_rtc_enable();
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
