// SPDX-License-Identifier: Apache-2.0
#include "tinykit/packing.h"

#include "tinykit/simd.h"

#if TK_DSP

// Four signed bytes to four halves.
static inline void unpack_word8(uint32_t word, int16_t *out)
{
    const uint32_t even = tk_sxtb16(word);
    const uint32_t odd = tk_sxtb16_ror8(word);
    tk_store32_aligned(out, tk_pack_low(even, odd));
    tk_store32_aligned(out + 2, tk_pack_high(even, odd));
}

static size_t unpack_words8(const uint8_t *packed, size_t count, int16_t *out)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        unpack_word8(tk_load32(packed + i), out + i);
    }
    return i;
}

// Eight nibbles to eight halves; the exclusive or adds the offset modulo 16.
static size_t unpack_words4(const uint8_t *packed, size_t count, int16_t *out)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const uint32_t word = tk_load32(packed + i / 2) ^ 0x88888888u;
        const uint32_t even = word & 0x0F0F0F0Fu;
        const uint32_t odd = word >> 4 & 0x0F0F0F0Fu;
        const uint32_t even04 = tk_uxtb16(even), even26 = tk_uxtb16(even >> 8);
        const uint32_t odd15 = tk_uxtb16(odd), odd37 = tk_uxtb16(odd >> 8);
        tk_store32_aligned(out + i, tk_pack_low(even04, odd15));
        tk_store32_aligned(out + i + 2, tk_pack_low(even26, odd37));
        tk_store32_aligned(out + i + 4, tk_pack_high(even04, odd15));
        tk_store32_aligned(out + i + 6, tk_pack_high(even26, odd37));
    }
    return i;
}

// A run that starts at an odd half (kernels of odd width over odd channels) stays scalar.
static inline int is_aligned(const void *address)
{
    return ((uintptr_t)address & 3u) == 0;
}

#endif

static void unpack16_b8(const uint8_t *packed, size_t count, int16_t *out)
{
    size_t i = 0;
#if TK_DSP
    if (is_aligned(out)) {
        i = unpack_words8(packed, count, out);
    }
#endif
    for (; i < count; ++i) {
        out[i] = (int8_t)packed[i];
    }
}

static void unpack16_b4(const uint8_t *packed, size_t count, int16_t *out)
{
    size_t i = 0;
#if TK_DSP
    if (is_aligned(out)) {
        i = unpack_words4(packed, count, out);
    }
#endif
    for (; i + 2 <= count; i += 2) {
        const uint32_t byte = packed[i / 2] ^ 0x88u;
        out[i] = (int16_t)(byte & 15u);
        out[i + 1] = (int16_t)(byte >> 4);
    }
    if (i < count) {
        out[i] = (int16_t)((packed[i / 2] ^ 8u) & 15u);
    }
}

static void unpack16_b2(const uint8_t *packed, size_t count, int16_t *out)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const uint32_t byte = packed[i / 4] ^ 0xAAu;
        out[i] = (int16_t)(byte & 3u);
        out[i + 1] = (int16_t)(byte >> 2 & 3u);
        out[i + 2] = (int16_t)(byte >> 4 & 3u);
        out[i + 3] = (int16_t)(byte >> 6);
    }
    for (uint32_t byte = i < count ? packed[i / 4] ^ 0xAAu : 0; i < count; ++i, byte >>= 2) {
        out[i] = (int16_t)(byte & 3u);
    }
}

void tk_unpack16(const uint8_t *packed, size_t count, unsigned bits, int16_t *out)
{
    if (bits == 8u) {
        unpack16_b8(packed, count, out);
    } else if (bits == 4u) {
        unpack16_b4(packed, count, out);
    } else {
        unpack16_b2(packed, count, out);
    }
}

// Two packed bytes, four nibbles, to the four bytes of a word, by spreading halves then nibbles.
static uint32_t spread_nibbles(const uint8_t *packed)
{
    const uint32_t raw = (packed[0] | (uint32_t)packed[1] << 8) ^ 0x8888u;
    const uint32_t halves = (raw | raw << 8) & 0x00FF00FFu;
    return (halves | halves << 4) & 0x0F0F0F0Fu;
}

// One packed byte, four values of two bits, to the four bytes of a word.
static uint32_t spread_crumbs(const uint8_t *packed)
{
    const uint32_t raw = *packed ^ 0xAAu;
    const uint32_t halves = (raw | raw << 12) & 0x000F000Fu;
    return (halves | halves << 6) & 0x03030303u;
}

void tk_unpack8(const uint8_t *packed, size_t count, unsigned bits, int8_t *out)
{
    if (bits == 8u) {
        memcpy(out, packed, count);
        return;
    }
    const int32_t offset = tk_unpack_offset(bits);
    size_t i = 0;
    if (bits == 4u) {
        for (; i + 4 <= count; i += 4) {
            tk_store32_aligned(out + i, spread_nibbles(packed + i / 2));
        }
    } else {
        for (; i + 4 <= count; i += 4) {
            tk_store32_aligned(out + i, spread_crumbs(packed + i / 4));
        }
    }
    for (; i < count; ++i) {
        out[i] = (int8_t)(tk_get(packed, i, bits) + offset);
    }
}

void tk_pack(const int8_t *values, size_t pixels, size_t channels, unsigned bits, uint8_t *packed)
{
    for (; pixels != 0; --pixels) {
        for (size_t c = 0; c < channels; ++c) {
            tk_put(packed, c, bits, values[c]);
        }
        values += channels;
        packed += tk_pixel_bytes(channels, bits);
    }
}

void tk_unpack_pixel(const uint8_t *packed, size_t channels, unsigned bits, int8_t *values)
{
    for (size_t c = 0; c < channels; ++c) {
        values[c] = (int8_t)tk_get(packed, c, bits);
    }
}
