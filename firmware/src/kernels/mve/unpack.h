// SPDX-License-Identifier: Apache-2.0
// Activations of any width to a row of bytes, each plus tk_unpack_offset().
#ifndef TINYKIT_MVE_UNPACK_H
#define TINYKIT_MVE_UNPACK_H

#include "finish.h"

#if defined(__ARM_FEATURE_MVE)

// Copies bytes, 16 at a time and no byte more.
TK_INLINE void tk_copy_bytes(const uint8_t *from, uint32_t count, uint8_t *to)
{
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[from]], #16\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [from] "+r"(from), [to] "+r"(to)
                     : [count] "r"(count)
                     : "lr", "q0", "memory");
}

// Unpacks `count` values of 4 or 2 bits, 16 at a time and no byte more: each lane loads the byte
// that holds its value. 7 instructions for 16 values.
TK_INLINE void tk_unpack_fields(const uint8_t *from, uint32_t count, uint32_t bits, uint8_t *to)
{
    const uint32_t per_byte = 8u / bits;
    const uint8x16_t index = vidupq_n_u8(0, 1);
    const uint8x16_t byte = bits == 4 ? vshrq_n_u8(index, 1) : vshrq_n_u8(index, 2);
    const uint8x16_t place = vandq_u8(index, vdupq_n_u8((uint8_t)(per_byte - 1u)));
    const int8x16_t shift = vnegq_s8(vreinterpretq_s8_u8(vmulq_n_u8(place, (uint8_t)bits)));
    const uint8x16_t mask = vdupq_n_u8((uint8_t)((1u << bits) - 1u));
    const uint8x16_t half = vdupq_n_u8((uint8_t)(1u << (bits - 1u)));
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1:\n\t"
                     "vldrb.u8 q0, [%[from], %q[byte]]\n\t"
                     "vshl.u8 q0, q0, %q[shift]\n\t"
                     "vand q0, q0, %q[mask]\n\t"
                     "veor q0, q0, %q[half]\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "add %[from], %[from], %[step]\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [from] "+r"(from), [to] "+r"(to)
                     : [count] "r"(count), [step] "r"(2u * bits), [byte] "w"(byte),
                       [shift] "w"(shift), [mask] "w"(mask), [half] "w"(half)
                     : "lr", "q0", "memory");
}

#endif

// Unpacks `count` values of `bits` bits from a byte boundary.
TK_INLINE void tk_unpack_row(const uint8_t *from, uint32_t count, uint32_t bits, uint8_t *to)
{
#if defined(__ARM_FEATURE_MVE)
    if (bits == 8) {
        tk_copy_bytes(from, count, to);
    } else {
        tk_unpack_fields(from, count, bits, to);
    }
#else
    for (uint32_t i = 0; i < count; ++i) {
        to[i] = (uint8_t)(tk_get(from, i, bits) + tk_unpack_offset(bits));
    }
#endif
}

// The expanders for groups of one pixel and of four: each pixel has its own row in the columns.
#define TK_EXPAND_DEFINE(bits)                                                                     \
    void tk_mve_expand1_a##bits(const uint8_t *const *pixels, uint32_t count, uint32_t length,     \
                                void *columns)                                                     \
    {                                                                                              \
        (void)length;                                                                              \
        tk_unpack_row(pixels[0], count, bits, columns);                                            \
    }                                                                                              \
                                                                                                   \
    void tk_mve_expand4_a##bits(const uint8_t *const *pixels, uint32_t count, uint32_t length,     \
                                void *columns)                                                     \
    {                                                                                              \
        uint8_t *row = columns;                                                                    \
        for (uint32_t i = 0; i < 4; ++i, row += length) {                                          \
            tk_unpack_row(pixels[i], count, bits, row);                                            \
        }                                                                                          \
    }

#endif
