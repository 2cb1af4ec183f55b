// SPDX-License-Identifier: Apache-2.0
// memcpy and its kin by the word. The small C libraries go byte by byte, which the front end and
// the kernels would feel; and with our own, every core runs the same code.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Without this the compiler recognises the loops below and replaces them by calls to themselves.
#pragma GCC optimize("no-tree-loop-distribute-patterns")

typedef uint32_t __attribute__((may_alias)) word;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    if (aligned(target, source)) {
        for (; size >= 4; size -= 4) {
            *(word *)(void *)target = *(const word *)(const void *)source;
            target += 4;
            source += 4;
        }
    }
    while (size-- != 0) {
        *target++ = *source++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        return memcpy(to, from, size);
    }
    unsigned char *target = (unsigned char *)to + size;
    const unsigned char *source = (const unsigned char *)from + size;
    while (size-- != 0) {
        *--target = *--source;
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    unsigned char *target = to;
    const uint32_t pattern = 0x01010101u * (unsigned char)value;
    for (; size != 0 && !aligned(target, target); --size) {
        *target++ = (unsigned char)value;
    }
    for (; size >= 4; size -= 4) {
        *(word *)(void *)target = pattern;
        target += 4;
    }
    while (size-- != 0) {
        *target++ = (unsigned char)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a;
    const unsigned char *right = b;
    for (; size != 0; --size, ++left, ++right) {
        if (*left != *right) {
            return *left < *right ? -1 : 1;
        }
    }
    return 0;
}
