// SPDX-License-Identifier: Apache-2.0
// Start and trap entry of the RV32 ports.
    .option arch, +zicsr

    .section .vectors, "ax"
    .globl _start
_start:
    csrw mie, zero
    la t0, tk_trap_entry
    csrw mtvec, t0
    la sp, tk_stack_top
    la t0, tk_stack_bottom
    li t1, 0xA5A5A5A5
1:  sw t1, 0(t0)
    addi t0, t0, 4
    bltu t0, sp, 1b
    call tk_core_start

    .text
    .balign 4
// The report starts on a fresh stack, for the old one may have overflown.
tk_trap_entry:
    mv a0, sp
    mv a1, ra
    la sp, tk_stack_top
    j tk_trap_report
