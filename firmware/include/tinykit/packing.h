// SPDX-License-Identifier: Apache-2.0
// Activations of 8, 4, 2 bits or 1 in memory: little end first, each pixel from a byte boundary. A
// single bit stands for +1 where it is set and for -1 where it is not.
#ifndef TINYKIT_PACKING_H
#define TINYKIT_PACKING_H

#include <stddef.h>
#include <stdint.h>

// Bytes that a pixel of `channels` values takes.
static inline size_t tk_pixel_bytes(size_t channels, unsigned bits)
{
    return (channels * bits + 7u) >> 3;
}

// What kernels add to an activation when they unpack it, so that 4 and 2 bits unpack without sign
// extension; the generator folds it into the bias.
static inline int32_t tk_unpack_offset(unsigned bits)
{
    return bits == 8u ? 0 : 1 << (bits - 1u);
}

// Value `index` of a pixel, sign-extended.
static inline int32_t tk_get(const uint8_t *pixel, size_t index, unsigned bits)
{
    if (bits == 8u) {
        return (int8_t)pixel[index];
    }
    if (bits == 1u) {
        return ((pixel[index >> 3] >> (index & 7u)) & 1) * 2 - 1;
    }
    if (bits == 4u) {
        const uint32_t byte = pixel[index >> 1];
        return (int32_t)((byte >> ((index & 1u) * 4u) & 15u) ^ 8u) - 8;
    }
    const uint32_t byte = pixel[index >> 2];
    return (int32_t)((byte >> ((index & 3u) * 2u) & 3u) ^ 2u) - 2;
}

// Writes value `index` of a pixel. Values must be written in order from index 0: the first of a
// byte clears the rest of it.
static inline void tk_put(uint8_t *pixel, size_t index, unsigned bits, int32_t value)
{
    if (bits == 8u) {
        pixel[index] = (uint8_t)value;
    } else if (bits == 1u) {
        const uint32_t at = (uint32_t)(index & 7u);
        const uint32_t bit = (uint32_t)(value > 0) << at;
        uint8_t *byte = &pixel[index >> 3];
        *byte = (uint8_t)(at != 0 ? (*byte | bit) : bit);
    } else if (bits == 4u) {
        const uint32_t nibble = (uint32_t)value & 15u;
        uint8_t *byte = &pixel[index >> 1];
        *byte = (uint8_t)((index & 1u) ? (*byte | nibble << 4) : nibble);
    } else {
        const uint32_t at = (uint32_t)(index & 3u) * 2u;
        const uint32_t crumb = ((uint32_t)value & 3u) << at;
        uint8_t *byte = &pixel[index >> 2];
        *byte = (uint8_t)(at != 0 ? (*byte | crumb) : crumb);
    }
}

// Packs `pixels` pixels of `channels` bytes each.
void tk_pack(const int8_t *values, size_t pixels, size_t channels, unsigned bits, uint8_t *packed);

// Unpacks one pixel of `channels` values to plain signed bytes.
void tk_unpack_pixel(const uint8_t *packed, size_t channels, unsigned bits, int8_t *values);

#endif
