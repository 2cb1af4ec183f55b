// SPDX-License-Identifier: Apache-2.0
// Eight inner products at once: two channels times four pixels.
//
// VMLADAVA does 16 products and adds them to a register of the core, which must have an even
// number. There are eight of those, the link register included, so eight sums share the loads of
// two rows and four columns: 14 vector instructions for 128 products. All odd registers hold
// pointers and the count; the compiler does not get that far, so this is one piece of assembly.
#ifndef TINYKIT_MVE_DOT4_H
#define TINYKIT_MVE_DOT4_H

#include "dot.h"

#if defined(__ARM_FEATURE_MVE)

// clang-format off

// 16 values of two rows, in w0 and w1, times the four columns; `a` is empty where sums start.
#define TK_DOT4_PLANE(a, w0, w1)                                                                   \
    "vldrb.8 q2, [r1], #16\n\t"                                                                    \
    "vmladav" a ".s8 r0, " w0 ", q2\n\t"                                                           \
    "vmladav" a ".s8 r8, " w1 ", q2\n\t"                                                           \
    "vldrb.8 q3, [r3], #16\n\t"                                                                    \
    "vmladav" a ".s8 r2, " w0 ", q3\n\t"                                                           \
    "vmladav" a ".s8 r10, " w1 ", q3\n\t"                                                          \
    "vldrb.8 q2, [r7], #16\n\t"                                                                    \
    "vmladav" a ".s8 r4, " w0 ", q2\n\t"                                                           \
    "vmladav" a ".s8 r12, " w1 ", q2\n\t"                                                          \
    "vldrb.8 q3, [r5], #16\n\t"                                                                    \
    "vmladav" a ".s8 r6, " w0 ", q3\n\t"                                                           \
    "vmladav" a ".s8 lr, " w1 ", q3\n\t"

#define TK_DOT4_ROWS                                                                               \
    "vldrb.8 q0, [r9], #16\n\t"                                                                    \
    "vldrb.8 q1, [r9], #16\n\t"

// A plane of narrow weights that has `above` bits above it in its byte.
#define TK_DOT4_LOWER(a, above, drop)                                                              \
    "vshl.i8 q4, q0, #" above "\n\t"                                                               \
    "vshl.i8 q5, q1, #" above "\n\t"                                                               \
    "vshr.s8 q4, q4, #" drop "\n\t"                                                                \
    "vshr.s8 q5, q5, #" drop "\n\t"                                                                \
    TK_DOT4_PLANE(a, "q4", "q5")

// The topmost plane.
#define TK_DOT4_TOP(drop)                                                                          \
    "vshr.s8 q0, q0, #" drop "\n\t"                                                                \
    "vshr.s8 q1, q1, #" drop "\n\t"                                                                \
    TK_DOT4_PLANE("a", "q0", "q1")

// A block: 14 instructions for 128 products with weights of 8 bits, 32 for 256 with 4 bits, 64 for
// 512 with 2 bits.
#define TK_BLOCK4_W8(a) TK_DOT4_ROWS TK_DOT4_PLANE(a, "q0", "q1")
#define TK_BLOCK4_W4(a) TK_DOT4_ROWS TK_DOT4_LOWER(a, "4", "4") TK_DOT4_TOP("4")
#define TK_BLOCK4_W2(a)                                                                            \
    TK_DOT4_ROWS                                                                                   \
    TK_DOT4_LOWER(a, "6", "6")                                                                     \
    TK_DOT4_LOWER("a", "4", "6")                                                                   \
    TK_DOT4_LOWER("a", "2", "6")                                                                   \
    TK_DOT4_TOP("6")

// Vector registers that a block needs.
#define TK_BLOCK4_REGISTERS_W8 "q0", "q1", "q2", "q3"
#define TK_BLOCK4_REGISTERS_W4 "q0", "q1", "q2", "q3", "q4", "q5"
#define TK_BLOCK4_REGISTERS_W2 "q0", "q1", "q2", "q3", "q4", "q5"

// Scales `s` where the shift may be to the left or by nothing: at first to the left, r6 bits.
#define TK_DOT4_SCALE_ANY(s, multiplier, shift)                                                    \
    "bic r6, " shift ", " shift ", asr #31\n\t"                                                    \
    "and " shift ", " shift ", " shift ", asr #31\n\t"                                             \
    "vshl.s32 " s ", r6\n\t"                                                                       \
    "vqrdmulh.s32 " s ", " s ", " multiplier "\n\t"                                                \
    "vdup.32 q0, " shift "\n\t"                                                                    \
    "vand q0, q0, " s "\n\t"                                                                       \
    "vshr.s32 q0, q0, #31\n\t"                                                                     \
    "vadd.i32 " s ", " s ", q0\n\t"                                                                \
    "vrshl.s32 " s ", " shift "\n\t"

// Sums to vectors, one a row; then bias, multiplier and shift of both rows, which follow them. r11
// is the rounding, one of tk_rounding, less four.
#define TK_DOT4_SCALE                                                                              \
    "vmov %q[s0][2], %q[s0][0], r0, r4\n\t"                                                        \
    "vmov %q[s0][3], %q[s0][1], r2, r6\n\t"                                                        \
    "vmov %q[s1][2], %q[s1][0], r8, r12\n\t"                                                       \
    "vmov %q[s1][3], %q[s1][1], r10, lr\n\t"                                                       \
    "ldm r9!, {r0-r5}\n\t"                                                                         \
    "vadd.i32 %q[s0], %q[s0], r0\n\t"                                                              \
    "vadd.i32 %q[s1], %q[s1], r1\n\t"                                                              \
    "adds r11, r11, #4\n\t"                                                                        \
    "beq 4f\n\t"                                                                                   \
    "cmp r11, #1\n\t"                                                                              \
    "beq 3f\n\t"                                                                                   \
    TK_DOT4_SCALE_ANY("%q[s0]", "r2", "r4")                                                        \
    TK_DOT4_SCALE_ANY("%q[s1]", "r3", "r5")                                                        \
    "b 5f\n"                                                                                       \
    "3:\n\t"                                                                                       \
    "vqrdmulh.s32 %q[s0], %q[s0], r2\n\t"                                                          \
    "vqrdmulh.s32 %q[s1], %q[s1], r3\n\t"                                                          \
    "vshr.s32 q0, %q[s0], #31\n\t"                                                                 \
    "vshr.s32 q1, %q[s1], #31\n\t"                                                                 \
    "vadd.i32 %q[s0], %q[s0], q0\n\t"                                                              \
    "vadd.i32 %q[s1], %q[s1], q1\n\t"                                                              \
    "vrshl.s32 %q[s0], r4\n\t"                                                                     \
    "vrshl.s32 %q[s1], r5\n\t"                                                                     \
    "b 5f\n"                                                                                       \
    "4:\n\t"                                                                                       \
    "vqrdmulh.s32 %q[s0], %q[s0], r2\n\t"                                                          \
    "vqrdmulh.s32 %q[s1], %q[s1], r3\n\t"                                                          \
    "vrshl.s32 %q[s0], r4\n\t"                                                                     \
    "vrshl.s32 %q[s1], r5\n"                                                                       \
    "5:\n\t"

// Two rows at `rows`, which are passed, times the four columns at `columns`, `length` bytes apart:
// a vector of scaled sums for each row. `turns` is four times the blocks in a row, less four, plus
// the rounding. The first block sets the sums, so that nothing is cleared.
#define TK_DOT4(bits, rows, columns, length, turns, first, second)                                 \
    TK_DOT4_OF(bits, rows, columns, length, turns, first, second)
#define TK_DOT4_OF(bits, rows, columns, length, turns, first, second)                              \
    do {                                                                                           \
        register const int8_t *x_ __asm__("r1") = (columns);                                       \
        register uint32_t length_ __asm__("r5") = (length);                                        \
        register const uint32_t *w_ __asm__("r9") = (rows);                                        \
        register uint32_t n_ __asm__("r11") = (turns);                                             \
        __asm__ volatile("add r3, r1, r5\n\t"                                                      \
                         "add r7, r3, r5\n\t"                                                      \
                         "add r5, r7, r5\n\t"                                                      \
                         TK_BLOCK4_W##bits("")                                                     \
                         "subs r11, r11, #4\n\t"                                                   \
                         "bmi 2f\n"                                                                \
                         "1:\n\t"                                                                  \
                         TK_BLOCK4_W##bits("a")                                                    \
                         "subs r11, r11, #4\n\t"                                                   \
                         "bpl 1b\n"                                                                \
                         "2:\n\t"                                                                  \
                         TK_DOT4_SCALE                                                             \
                         : [s0] "=&w"(first), [s1] "=&w"(second), "+r"(x_), "+r"(length_),         \
                           "+r"(w_), "+r"(n_)                                                      \
                         :                                                                         \
                         : "r0", "r2", "r3", "r4", "r6", "r7", "r8", "r10", "r12", "lr",           \
                           TK_BLOCK4_REGISTERS_W##bits, "cc", "memory");                           \
        (rows) = w_;                                                                               \
    } while (0)

// clang-format on

#endif

#endif
