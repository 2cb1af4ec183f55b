// SPDX-License-Identifier: Apache-2.0
// Up to 16 lines on P1.00 to P1.15, by the port event of GPIOTE, which needs no clock; hops by
// RTC0.
#include "tinykit/lines.h"

#include "rtc.h"

#define P1_IN TK_REG32(0x50000810u)
#define P1_PIN_CNF(pin) TK_REG32(0x50000A00u + 4u * (pin))
#define GPIOTE_PORT TK_REG32(0x4000617Cu)
#define GPIOTE_INTENSET TK_REG32(0x40006304u)
#define SCB_VTOR TK_REG32(0xE000ED08u)

#define PORT_EVENT (1u << 31)
#define GPIOTE_INTERRUPT (1u << 6)
#define PIN_INPUT 0u
#define PIN_SENSE_HIGH (2u << 16)
#define COUNTER_MASK 0xFFFFFFu

// Of the port's cortexm.c.
void tk_reset(void);
void tk_fault_entry(void);

// Lines that are watched; when the next hop ends, in ticks and their 125000ths, and how long one
// is.
static uint32_t watched;
static uint32_t next, part, length;

// Each event is gone before its handler ends, lest it be called again.
static void on_port(void)
{
    GPIOTE_PORT = 0;
    (void)GPIOTE_PORT;
    tk_lines_rose();
}

// Moves `next` on by some microseconds: a tick is 1 / 32768 s, so 125000 / 4096 us.
static void advance(uint32_t micros)
{
    part += micros * 4096u;
    next += part / 125000u;
    part %= 125000u;
    RTC_CC0 = next & COUNTER_MASK;
}

static void on_rtc(void)
{
    if (RTC_COMPARE0 == 0) {
        return;
    }
    RTC_COMPARE0 = 0;
    (void)RTC_COMPARE0;
    advance(length);
    tk_lines_hop();
}

typedef void (*vector)(void);

// The system's vectors as in cortexm.c, and the interrupts up to RTC0's.
static const _Alignas(128) vector vectors[28] = {
    (vector)tk_stack_top, tk_reset,       tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, on_port,        tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, on_rtc,
};

void tk_port_lines_start(uint32_t count)
{
    for (uint32_t pin = 0; pin < count; ++pin) {
        P1_PIN_CNF(pin) = PIN_INPUT;
    }
    watched = 0;
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    tk_rtc_enable();
    GPIOTE_PORT = 0;
    GPIOTE_INTENSET = PORT_EVENT;
    NVIC_ISER = GPIOTE_INTERRUPT;
}

uint32_t tk_port_lines_read(void)
{
    return P1_IN;
}

void tk_port_lines_watch(uint32_t lines)
{
    const uint32_t changed = watched ^ lines;
    watched = lines;
    for (uint32_t pin = 0; changed >> pin != 0; ++pin) {
        if ((changed >> pin & 1u) != 0) {
            P1_PIN_CNF(pin) = PIN_INPUT | ((lines >> pin & 1u) != 0 ? PIN_SENSE_HIGH : 0u);
        }
    }
}

void tk_port_hop_start(uint32_t first, uint32_t hop)
{
    RTC_STOP = 1u;
    RTC_CLEAR = 1u;
    RTC_COMPARE0 = 0;
    next = 0;
    part = 0;
    length = hop;
    advance(first);
    RTC_START = 1u;
}

void tk_port_hop_stop(void)
{
    RTC_STOP = 1u;
    RTC_COMPARE0 = 0;
}

void tk_port_sleep_until(bool (*done)(void))
{
    __asm__ volatile("cpsid i" ::: "memory");
    while (!done()) {
        __asm__ volatile("dsb\n wfi\n cpsie i\n isb\n cpsid i" ::: "memory");
    }
    __asm__ volatile("cpsie i" ::: "memory");
}
