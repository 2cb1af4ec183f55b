// SPDX-License-Identifier: Apache-2.0
// Start, faults and cycle counter of every Cortex-M.
#include "bare.h"
#include "tinykit/port.h"

#define SCB_SHCSR TK_REG32(0xE000ED24u)
#define SCB_CFSR TK_REG32(0xE000ED28u)
#define SCB_HFSR TK_REG32(0xE000ED2Cu)
#define SCB_MMFAR TK_REG32(0xE000ED34u)
#define SCB_BFAR TK_REG32(0xE000ED38u)
#define SCB_CPACR TK_REG32(0xE000ED88u)
#define MPU_CTRL TK_REG32(0xE000ED94u)
#define MPU_RNR TK_REG32(0xE000ED98u)
#define MPU_RBAR TK_REG32(0xE000ED9Cu)
#define MPU_RASR TK_REG32(0xE000EDA0u)
#define DEMCR TK_REG32(0xE000EDFCu)
#define DWT_CTRL TK_REG32(0xE0001000u)
#define DWT_CYCCNT TK_REG32(0xE0001004u)

#if defined(__ARM_ARCH_6M__)
#define HAS_FAULT_STATUS 0
#else
#define HAS_FAULT_STATUS 1
#endif

typedef void (*vector)(void);

void tk_reset(void);
void tk_fault_entry(void);
void tk_fault_report(const uint32_t *frame, uint32_t exc_return);

// The sixteen system vectors; the firmware polls, so no interrupt is ever enabled.
__attribute__((used, section(".vectors"))) static const vector vectors[16] = {
    (vector)tk_stack_top, tk_reset,       tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry,
    tk_fault_entry,       tk_fault_entry, tk_fault_entry, tk_fault_entry,
};

// The stack is painted here, before anything lies on it. The stack pointer is set again because a
// loader that is no real reset (an emulator's, a debugger's) may not have read the vector.
__attribute__((naked, noreturn)) void tk_reset(void)
{
    __asm__ volatile(".syntax unified\n"
                     "ldr r0, =tk_stack_top\n"
                     "mov sp, r0\n"
                     "ldr r1, =tk_stack_bottom\n"
                     "ldr r2, =%c0\n"
                     "1: subs r0, #4\n"
                     "str r2, [r0]\n"
                     "cmp r0, r1\n"
                     "bhi 1b\n"
                     "bl tk_core_start\n"
                     ".ltorg\n" ::"i"(TK_STACK_PAINT));
}

// What lies below the stack need not fault by itself: on some boards, and in Renode, accesses to
// nothing are ignored.
static void guard_stack(void)
{
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    __asm__ volatile("msr msplim, %0" ::"r"(tk_stack_bottom));
#elif HAS_FAULT_STATUS
    const uint32_t bottom = (uint32_t)(uintptr_t)tk_stack_bottom;
    if ((bottom & 0x00FFFFFFu) == 0) {
        // The 16 MiB below the RAM: no access, no execution; the default map for all else. Ignored
        // where the core has no MPU.
        MPU_RNR = 0;
        MPU_RBAR = bottom - 0x01000000u;
        MPU_RASR = (1u << 28) | (23u << 1) | 1u;
        MPU_CTRL = 5u;
        __asm__ volatile("dsb\n isb" ::: "memory");
    }
#endif
}

__attribute__((used, noreturn)) static void core_start(void) __asm__("tk_core_start");
static void core_start(void)
{
#if HAS_FAULT_STATUS
    SCB_SHCSR |= 0x00070000u; // usage, bus and memory faults report themselves
#endif
    guard_stack();
#if defined(__ARM_FEATURE_MVE) || defined(__ARM_FP)
    SCB_CPACR |= 0x00F00000u; // the vector unit is off at reset
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    tk_start();
}

// The frame is handed over as it lies. Where the stack has overflown, or has too little left for
// the report, the report starts again at its top.
__attribute__((naked)) void tk_fault_entry(void)
{
    __asm__ volatile(".syntax unified\n"
                     "mov r0, sp\n"
                     "mov r1, lr\n"
                     "ldr r2, =tk_stack_top\n"
                     "cmp r0, r2\n"
                     "bhi 1f\n"
                     "ldr r3, =tk_stack_bottom + 512\n"
                     "cmp r0, r3\n"
                     "blo 2f\n"
                     "1: b tk_fault_report\n"
                     "2: mov sp, r2\n"
                     "b tk_fault_report\n"
                     ".ltorg\n");
}

static const char *fault_kind(uint32_t exception)
{
    switch (exception) {
    case 2:
        return "nmi";
    case 3:
        return "hard";
    case 4:
        return "memory";
    case 5:
        return "bus";
    case 6:
        return "usage";
    default:
        return "interrupt";
    }
}

#if HAS_FAULT_STATUS
// Whether an address that faulted lies below the stack, within reach of a large frame.
static int below_stack(uint32_t address)
{
    const uint32_t bottom = (uint32_t)(uintptr_t)tk_stack_bottom;
    return address < bottom && address + 0x10000u >= bottom;
}
#endif

// The exception itself could not be stacked, or what faulted was an access just below the stack.
static int is_overflow(int stacked)
{
#if HAS_FAULT_STATUS
    const uint32_t status = SCB_CFSR;
    const uint32_t stacking = (1u << 20) | (1u << 12) | (1u << 4);
    if ((status & stacking) != 0 || ((status & (1u << 7)) != 0 && below_stack(SCB_MMFAR)) ||
        ((status & (1u << 15)) != 0 && below_stack(SCB_BFAR))) {
        return 1;
    }
#endif
    return !stacked;
}

__attribute__((used)) void tk_fault_report(const uint32_t *frame, uint32_t exc_return)
{
    const uint32_t sp = (uint32_t)(uintptr_t)frame;
    uint32_t exception;
    __asm__ volatile("mrs %0, ipsr" : "=r"(exception));
    // Eight stacked words: r0-r3, r12, lr, pc, xpsr. A stack that overflowed holds none.
    const int stacked = tk_stack_holds(sp, 32u);
    const tk_register registers[] = {
        {"pc", stacked ? frame[6] : 0u},
        {"lr", stacked ? frame[5] : 0u},
        {"sp", sp},
        {"xpsr", stacked ? frame[7] : 0u},
        {"r0", stacked ? frame[0] : 0u},
        {"r1", stacked ? frame[1] : 0u},
        {"r2", stacked ? frame[2] : 0u},
        {"r3", stacked ? frame[3] : 0u},
        {"r12", stacked ? frame[4] : 0u},
        {"exc_return", exc_return},
#if HAS_FAULT_STATUS
        {"cfsr", SCB_CFSR},
        {"hfsr", SCB_HFSR},
        {"mmfar", SCB_MMFAR},
        {"bfar", SCB_BFAR},
#endif
    };
    tk_fault(is_overflow(stacked) ? "stack overflow" : fault_kind(exception), registers,
             (uint32_t)(sizeof registers / sizeof registers[0]));
}

void tk_port_init(void)
{
    tk_chip_init();
#if HAS_FAULT_STATUS
    DEMCR |= 1u << 24; // trace on: the cycle counter lives there
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
#endif
}

#if HAS_FAULT_STATUS
uint32_t tk_port_cycles(void)
{
    return DWT_CYCCNT;
}
#endif

// Halting is all a board can do: the last record said how it went, and a breakpoint for a debugger
// would be a fault where none is attached.
_Noreturn void tk_port_exit(int status)
{
    (void)status;
    for (;;) {
        __asm__ volatile("wfi");
    }
}
