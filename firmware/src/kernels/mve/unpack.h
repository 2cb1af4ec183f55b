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

// Where 16 neighbouring values of 4 or 2 bits lie: each in which byte, and moved by which shift.
typedef struct {
    uint8x16_t byte;
    int8x16_t shift;
} tk_fields;

TK_INLINE tk_fields tk_fields_of(uint32_t bits)
{
    const uint8x16_t index = vidupq_n_u8(0, 1);
    tk_fields f;
    if (bits == 4) {
        f.byte = vshrq_n_u8(index, 1);
        f.shift = vreinterpretq_s8_u8(vshlq_n_u8(vandq_u8(index, vdupq_n_u8(1)), 2));
    } else {
        f.byte = vshrq_n_u8(index, 2);
        f.shift = vreinterpretq_s8_u8(vshlq_n_u8(vandq_u8(index, vdupq_n_u8(3)), 1));
    }
    f.shift = vnegq_s8(f.shift);
    return f;
}

// The values at `from` that `p` names, 4 or 2 bits wide.
TK_INLINE uint8x16_t tk_load_fields(const uint8_t *from, const tk_fields *f, uint32_t bits,
                                    mve_pred16_t p)
{
    const uint8_t half = (uint8_t)(1u << (bits - 1u));
    const uint8x16_t value = vshlq_u8(vldrbq_gather_offset_z_u8(from, f->byte, p), f->shift);
    return veorq_u8(vandq_u8(value, vdupq_n_u8((uint8_t)(2u * half - 1u))), vdupq_n_u8(half));
}

#endif

// Unpacks `count` values of `bits` bits from a byte boundary.
TK_INLINE void tk_unpack_row(const uint8_t *from, uint32_t count, uint32_t bits, uint8_t *to)
{
#if defined(__ARM_FEATURE_MVE)
    if (bits == 8) {
        tk_copy_bytes(from, count, to);
        return;
    }
    const tk_fields f = tk_fields_of(bits);
    for (int32_t left = (int32_t)count; left > 0; left -= 16, from += 2 * bits, to += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)left);
        vstrbq_p_u8(to, tk_load_fields(from, &f, bits, p), p);
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
