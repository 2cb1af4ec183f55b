// SPDX-License-Identifier: Apache-2.0
// RTC0, which counts on at 32768 Hz while the core and its clock rest. One user at a time: a
// program either sleeps by tk_port_sleep or has hops.
#ifndef TK_PORT_RTC_H
#define TK_PORT_RTC_H

#include "bare.h"

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

#define RTC0_INTERRUPT (1u << 11)

// Starts the clock and lets RTC0 interrupt when it reaches RTC_CC0.
static inline void tk_rtc_enable(void)
{
    const uint32_t compare0 = 1u << 16;
    const uint32_t source_rc = 0;
    if (CLOCK_LFCLKSTARTED == 0) {
        CLOCK_LFCLKSRC = source_rc;
        CLOCK_LFCLKSTART = 1u;
    }
    RTC_INTENSET = compare0;
    RTC_EVTENSET = compare0;
    NVIC_ISER = RTC0_INTERRUPT;
}

#endif
