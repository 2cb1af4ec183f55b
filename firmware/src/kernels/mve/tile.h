// SPDX-License-Identifier: Apache-2.0
// The inner loops of depthwise_3x3.c, in assembly: they need all vector registers, fixed ones for
// VST4, and even core registers.
#ifndef TINYKIT_MVE_TILE_H
#define TINYKIT_MVE_TILE_H

#include "finish.h"

// Four rows of words, from which columns are made.
typedef struct {
    // Where each row is at, and bytes to go on by after four words.
    const uint8_t *from[4];
    uint32_t step[4];
    // Bytes from there to each of the next four words.
    uint32_t offset[4][4];
} tk_rows;

#if defined(__ARM_FEATURE_MVE)

// Writes `chunks` times four columns: the words of the rows byte by byte in turn. 13 instructions
// for 64 bytes.
TK_INLINE void tk_interleave(const tk_rows *rows, uint32_t chunks, uint8_t *to)
{
    register const tk_rows *rows_ __asm__("r0") = rows;
    register uint32_t chunks_ __asm__("r10") = chunks;
    register uint8_t *to_ __asm__("r12") = to;
    __asm__ volatile("vldrw.32 q4, [r0, #32]\n\t"
                     "vldrw.32 q5, [r0, #48]\n\t"
                     "vldrw.32 q6, [r0, #64]\n\t"
                     "vldrw.32 q7, [r0, #80]\n\t"
                     "ldm r0, {r0-r6, r8}\n\t"
                     "dls lr, r10\n"
                     "1:\n\t"
                     "vldrw.u32 q0, [r0, q4]\n\t"
                     "vldrw.u32 q1, [r1, q5]\n\t"
                     "vldrw.u32 q2, [r2, q6]\n\t"
                     "vldrw.u32 q3, [r3, q7]\n\t"
                     "vst40.8 {q0, q1, q2, q3}, [r12]\n\t"
                     "vst41.8 {q0, q1, q2, q3}, [r12]\n\t"
                     "vst42.8 {q0, q1, q2, q3}, [r12]\n\t"
                     "vst43.8 {q0, q1, q2, q3}, [r12]!\n\t"
                     "add r0, r4\n\t"
                     "add r1, r5\n\t"
                     "add r2, r6\n\t"
                     "add r3, r8\n\t"
                     "le lr, 1b\n\t"
                     : "+r"(rows_), "+r"(to_)
                     : "r"(chunks_)
                     : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "lr", "q0", "q1", "q2", "q3", "q4",
                       "q5", "q6", "q7", "cc", "memory");
}

// clang-format off

// Takes values apart that lie packed in the lower half (`size` "h") or the lowest byte ("b") of
// words: four words a turn, `count` in all, from `from` + `at`, then `step` bytes further on.
#define TK_SPREAD(size, first, second, at, halves, bytes, offset, step, count, from, to)           \
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"                                                     \
                     "1:\n\t"                                                                      \
                     "vldr" size ".u32 q0, [%[x], %q[at_]]\n\t"                                    \
                     "vshl.i32 q1, q0, #" first "\n\t"                                             \
                     "vorr q0, q0, q1\n\t"                                                         \
                     "vand q0, q0, %q[halves_]\n\t"                                                \
                     "vshl.i32 q1, q0, #" second "\n\t"                                            \
                     "vorr q0, q0, q1\n\t"                                                         \
                     "vand q0, q0, %q[bytes_]\n\t"                                                 \
                     "veor q0, q0, %q[offset_]\n\t"                                                \
                     "vstrw.32 q0, [%[y]], #16\n\t"                                                \
                     "add %[x], %[x], %[go]\n\t"                                                   \
                     "letp lr, 1b\n"                                                               \
                     "2:"                                                                          \
                     : [x] "+r"(from), [y] "+r"(to)                                                \
                     : [n] "r"(count), [go] "r"(step), [at_] "w"(at), [halves_] "w"(halves),       \
                       [bytes_] "w"(bytes), [offset_] "w"(offset)                                  \
                     : "lr", "q0", "q1", "memory")

// One channel of a strip: `pairs` tiles side by side from `strip`, and if `odd` one more, half over
// the last. Each gives four scaled sums: of both pixels of the first row, then of the second, whose
// weights lie `second_row` bits further up; at 0 it repeats the first. `rounding` is one of the
// three below; upwards a tile takes 12 instructions.
#define TK_TILES(rounding, channel, strip, pairs, odd, second_row, sums)                           \
    do {                                                                                           \
        register const uint8_t *tile_ __asm__("r2") = (strip) - 32;                                \
        register uint32_t odd_ __asm__("r3") = (odd);                                              \
        register uint32_t row_ __asm__("r4") = (second_row);                                       \
        register int32_t *sums_ __asm__("r5") = (sums);                                            \
        register uint32_t count_ __asm__("r6") = (pairs);                                          \
        register const uint32_t *w_ __asm__("r12") = (channel);                                    \
        __asm__ volatile("movs r0, #0\n\t"                                                         \
                         "vldrw.32 q4, [r12]\n\t"                                                  \
                         "vmov.32 q4[3], r0\n\t"                                                   \
                         "vmov q5, q4\n\t"                                                         \
                         "vshlc q5, r0, #32\n\t"                                                   \
                         "vmov q6, q4\n\t"                                                         \
                         "vshl.s32 q6, r4\n\t"                                                     \
                         "vmov q7, q5\n\t"                                                         \
                         "vshl.s32 q7, r4\n\t"                                                     \
                         "vidup.u32 q3, r0, #8\n\t"                                                \
                         "vshl.i32 q3, q3, #1\n\t"                                                 \
                         "vadd.i32 q3, q3, r2\n\t"                                                 \
                         "ldrd r8, r10, [r12, #12]\n\t"                                            \
                         "ldr r12, [r12, #20]\n\t"                                                 \
                         TK_BEFORE_TILES_##rounding                                                \
                         "dls lr, r6\n"                                                            \
                         "1:\n\t"                                                                  \
                         "vldrw.u32 q0, [q3, #32]!\n\t"                                            \
                         "vmladav.s8 r0, q4, q0\n\t"                                               \
                         "vmladav.s8 r2, q5, q0\n\t"                                               \
                         "vmladav.s8 r4, q6, q0\n\t"                                               \
                         "vmladav.s8 r6, q7, q0\n\t"                                               \
                         "vmov q0[2], q0[0], r0, r4\n\t"                                           \
                         "vmov q0[3], q0[1], r2, r6\n\t"                                           \
                         "vadd.i32 q0, q0, r8\n\t"                                                 \
                         TK_SCALE_TILE_##rounding                                                  \
                         "vrshl.s32 q0, r12\n\t"                                                   \
                         "vstrw.32 q0, [r5], #16\n\t"                                              \
                         "le lr, 1b\n\t"                                                           \
                         "cbz r3, 2f\n\t"                                                          \
                         "movs r0, #16\n\t"                                                        \
                         "vsub.i32 q3, q3, r0\n\t"                                                 \
                         "mov lr, r3\n\t"                                                          \
                         "movs r3, #0\n\t"                                                         \
                         "b 1b\n"                                                                  \
                         "2:\n\t"                                                                  \
                         : "+r"(tile_), "+r"(odd_), "+r"(row_), "+r"(sums_), "+r"(count_),         \
                           "+r"(w_)                                                                \
                         :                                                                         \
                         : "r0", "r8", "r9", "r10", "lr", "q0", "q1", "q2", "q3", "q4", "q5",      \
                           "q6", "q7", "cc", "memory");                                            \
    } while (0)

#define TK_BEFORE_TILES_UP
#define TK_SCALE_TILE_UP "vqrdmulh.s32 q0, q0, r10\n\t"

#define TK_BEFORE_TILES_AWAY
#define TK_SCALE_TILE_AWAY                                                                         \
    "vqrdmulh.s32 q0, q0, r10\n\t"                                                                 \
    "vshr.s32 q1, q0, #31\n\t"                                                                     \
    "vadd.i32 q0, q0, q1\n\t"

// r9 becomes what is shifted to the left, q2 what is to the right.
#define TK_BEFORE_TILES_ANY                                                                        \
    "bic r9, r12, r12, asr #31\n\t"                                                                \
    "and r12, r12, r12, asr #31\n\t"                                                               \
    "vdup.32 q2, r12\n\t"
#define TK_SCALE_TILE_ANY                                                                          \
    "vshl.s32 q0, r9\n\t"                                                                          \
    "vqrdmulh.s32 q0, q0, r10\n\t"                                                                 \
    "vand q1, q0, q2\n\t"                                                                          \
    "vshr.s32 q1, q1, #31\n\t"                                                                     \
    "vadd.i32 q0, q0, q1\n\t"

// clang-format on

#endif

#endif
