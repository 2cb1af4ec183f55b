// SPDX-License-Identifier: Apache-2.0
// Start-up of a semihosted program on a Cortex-M of QEMU: vectors, then main with stdin and stdout.
#include <stdint.h>
#include <stdlib.h>

int main(void);
void initialise_monitor_handles(void);
_Noreturn void start(void);

// The upper end of the machine's second RAM.
#define STACK_TOP 0x20400000u

typedef struct {
    uint32_t stack;
    void (*reset)(void);
    void (*fault[14])(void);
} vectors;

static _Noreturn void fault(void)
{
    _Exit(9);
}

__attribute__((section(".vectors"), used)) static const vectors table = {
    STACK_TOP,
    start,
    {fault, fault, fault, fault, fault},
};

_Noreturn void start(void)
{
    initialise_monitor_handles();
    exit(main());
}

void _init(void);
void _fini(void);

void _init(void)
{
}

void _fini(void)
{
}
