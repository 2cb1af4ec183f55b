// SPDX-License-Identifier: Apache-2.0
// Faults and cycle counter of the RV32 ports.
#include "bare.h"
#include "tinykit/port.h"

// The compiler is called without _zicsr, whose name changes which C library it links, so the
// assembler is told here.
#define READ_CSR(name)                                                                             \
    __extension__({                                                                                \
        uint32_t csr_value;                                                                        \
        __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, " #name "\n.option pop"     \
                         : "=r"(csr_value));                                                       \
        csr_value;                                                                                 \
    })
#define WRITE_CSR(name, value)                                                                     \
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrw " #name                             \
                     ", %0\n.option pop" ::"r"(value))

_Noreturn void tk_core_start(void);
_Noreturn void tk_trap_report(uint32_t sp, uint32_t ra);

static uint32_t cycles_at_start;

_Noreturn void tk_core_start(void)
{
#if defined(TK_STACK_GUARD)
    // The bytes below the RAM, as a naturally aligned power of two: code, to read and execute.
    // 0x9D: locked, so that it binds machine mode too; not writable.
    WRITE_CSR(pmpaddr0, ((uint32_t)(uintptr_t)tk_stack_bottom - TK_STACK_GUARD) >> 2 |
                            (TK_STACK_GUARD / 8u - 1u));
    WRITE_CSR(pmpcfg0, 0x9Du);
#endif
    tk_start();
}

static const char *trap_kind(uint32_t cause)
{
    static const char *const kinds[] = {
        "instruction misaligned", "instruction access", "illegal instruction", "breakpoint",
        "load misaligned",        "load access",        "store misaligned",    "store access",
    };
    return cause < sizeof kinds / sizeof kinds[0] ? kinds[cause] : "trap";
}

static int is_overflow(uint32_t address)
{
    const uint32_t bottom = (uint32_t)(uintptr_t)tk_stack_bottom;
    // A frame may reach far below the stack before its first store.
    return address < bottom && address + 0x10000u >= bottom;
}

__attribute__((used)) _Noreturn void tk_trap_report(uint32_t sp, uint32_t ra)
{
    const uint32_t cause = READ_CSR(mcause);
    const uint32_t address = READ_CSR(mtval);
    const tk_register registers[] = {
        {"pc", READ_CSR(mepc)}, {"lr", ra},         {"sp", sp},
        {"mcause", cause},      {"mtval", address}, {"mstatus", READ_CSR(mstatus)},
    };
    const int overflow = (cause == 5u || cause == 7u) && is_overflow(address);
    tk_fault(overflow ? "stack overflow" : trap_kind(cause), registers,
             (uint32_t)(sizeof registers / sizeof registers[0]));
}

void tk_port_init(void)
{
    tk_chip_init();
    cycles_at_start = READ_CSR(mcycle);
}

uint32_t tk_port_cycles(void)
{
    return READ_CSR(mcycle) - cycles_at_start;
}
