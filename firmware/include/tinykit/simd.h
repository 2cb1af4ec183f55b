// SPDX-License-Identifier: Apache-2.0
// The few Cortex-M DSP instructions the kernels use, under one name each. Where the core has none,
// portable C stands in, so that the kernels for DSP can be tested and sanitised on the host.
//
// TK_DSP is 1 where the core has them, or where TK_EMULATE_DSP asks to do as if.
#ifndef TINYKIT_SIMD_H
#define TINYKIT_SIMD_H

#include <stdint.h>
#include <string.h>

// Four bytes as a word; kernels call it only where the address is known to be aligned or where the
// core loads unaligned words (which the compiler knows).
static inline uint32_t tk_load32(const void *address)
{
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

// Two bytes as a half word.
static inline uint32_t tk_load16(const void *address)
{
    uint16_t half;
    memcpy(&half, address, sizeof half);
    return half;
}

// Stores a word where the core or the compiler cares for the address.
static inline void tk_store32(void *address, uint32_t word)
{
    memcpy(address, &word, sizeof word);
}

// tk_load32 where the address is a multiple of four, so that a plain load suffices on every core.
static inline uint32_t tk_load32_aligned(const void *address)
{
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(address, 4), sizeof word);
    return word;
}

static inline void tk_store32_aligned(void *address, uint32_t word)
{
    memcpy(__builtin_assume_aligned(address, 4), &word, sizeof word);
}

#if defined(__ARM_FEATURE_DSP)

#include <arm_acle.h>
#define TK_DSP 1

// acc + a.low * b.low + a.high * b.high
static inline int32_t tk_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, acc);
}

// Bytes 0 and 2, sign-extended to two halves.
static inline uint32_t tk_sxtb16(uint32_t a)
{
    return (uint32_t)__sxtb16((int8x4_t)a);
}

// Bytes 1 and 3, sign-extended to two halves.
static inline uint32_t tk_sxtb16_ror8(uint32_t a)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(a));
    return result;
}

// Bytes 0 and 2, zero-extended to two halves.
static inline uint32_t tk_uxtb16(uint32_t a)
{
    return (uint32_t)__uxtb16((uint8x4_t)a);
}

// a.low below b.low
static inline uint32_t tk_pack_low(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

// a.high below b.high
static inline uint32_t tk_pack_high(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

// The upper word of a * b, rounded: floor(a * b / 2^32 + 1/2).
static inline int32_t tk_smmulr(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

// c + the upper word of a * b, rounded.
static inline int32_t tk_smmlar(int32_t a, int32_t b, int32_t c)
{
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
}

// c + the upper word of a * b.
static inline int32_t tk_smmla(int32_t a, int32_t b, int32_t c)
{
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
}

// acc + a.low * b.low
static inline int32_t tk_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlabb((int32_t)a, (int32_t)b, acc);
}

// acc + a.low * b.high
static inline int32_t tk_smlabt(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlabt((int32_t)a, (int32_t)b, acc);
}

// acc + a.high * b.low
static inline int32_t tk_smlatb(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlatb((int32_t)a, (int32_t)b, acc);
}

// `a` clamped to what 8, 4 or 2 bits hold.
static inline int32_t tk_ssat8(int32_t a)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(a));
    return result;
}

static inline int32_t tk_ssat4(int32_t a)
{
    int32_t result;
    __asm__("ssat %0, #4, %1" : "=r"(result) : "r"(a));
    return result;
}

static inline int32_t tk_ssat2(int32_t a)
{
    int32_t result;
    __asm__("ssat %0, #2, %1" : "=r"(result) : "r"(a));
    return result;
}

// acc + the upper 32 of the 48 bits of a * b.low
static inline int32_t tk_smlawb(int32_t a, uint32_t b, int32_t acc)
{
    return __smlawb(a, (int32_t)b, acc);
}

// acc + the upper 32 of the 48 bits of a * b.high
static inline int32_t tk_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    return __smlawt(a, (int32_t)b, acc);
}

// Two signed halves cut to 0..255.
static inline uint32_t tk_usat16_8(uint32_t a)
{
    uint32_t result;
    __asm__("usat16 %0, #8, %1" : "=r"(result) : "r"(a));
    return result;
}

// Four sums of unsigned bytes, those above 255 cut to it.
static inline uint32_t tk_uqadd8(uint32_t a, uint32_t b)
{
    return (uint32_t)__uqadd8((uint8x4_t)a, (uint8x4_t)b);
}

// Four sums of bytes modulo 256.
static inline uint32_t tk_uadd8(uint32_t a, uint32_t b)
{
    return (uint32_t)__uadd8((uint8x4_t)a, (uint8x4_t)b);
}

#else

#if defined(TK_EMULATE_DSP)
#define TK_DSP 1
#else
#define TK_DSP 0
#endif

static inline int32_t tk_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + (int32_t)(int16_t)a * (int16_t)b +
           (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
}

static inline uint32_t tk_sxtb16(uint32_t a)
{
    const uint32_t low = (uint32_t)(int32_t)(int8_t)a;
    const uint32_t high = (uint32_t)(int32_t)(int8_t)(a >> 16);
    return (low & 0xFFFFu) | (high << 16);
}

static inline uint32_t tk_sxtb16_ror8(uint32_t a)
{
    return tk_sxtb16(a >> 8);
}

static inline uint32_t tk_uxtb16(uint32_t a)
{
    return a & 0x00FF00FFu;
}

static inline uint32_t tk_pack_low(uint32_t a, uint32_t b)
{
    return (a & 0xFFFFu) | (b << 16);
}

static inline uint32_t tk_pack_high(uint32_t a, uint32_t b)
{
    return (a >> 16) | (b & 0xFFFF0000u);
}

static inline int32_t tk_smmulr(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + 0x80000000LL) >> 32);
}

static inline int32_t tk_smmlar(int32_t a, int32_t b, int32_t c)
{
    return c + tk_smmulr(a, b);
}

static inline int32_t tk_smmla(int32_t a, int32_t b, int32_t c)
{
    return c + (int32_t)((int64_t)a * b >> 32);
}

static inline int32_t tk_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + (int16_t)a * (int16_t)b;
}

static inline int32_t tk_smlabt(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + (int16_t)a * (int16_t)(b >> 16);
}

static inline int32_t tk_smlatb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + (int16_t)(a >> 16) * (int16_t)b;
}

static inline int32_t tk_ssat8(int32_t a)
{
    return a > 127 ? 127 : a < -128 ? -128 : a;
}

static inline int32_t tk_ssat4(int32_t a)
{
    return a > 7 ? 7 : a < -8 ? -8 : a;
}

static inline int32_t tk_ssat2(int32_t a)
{
    return a > 1 ? 1 : a < -2 ? -2 : a;
}

static inline int32_t tk_smlawb(int32_t a, uint32_t b, int32_t acc)
{
    return acc + (int32_t)((int64_t)a * (int16_t)b >> 16);
}

static inline int32_t tk_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    return tk_smlawb(a, b >> 16, acc);
}

static inline uint32_t tk_usat16_8(uint32_t a)
{
    const int32_t low = (int16_t)a, high = (int16_t)(a >> 16);
    const uint32_t first = low < 0 ? 0u : low > 255 ? 255u : (uint32_t)low;
    const uint32_t second = high < 0 ? 0u : high > 255 ? 255u : (uint32_t)high;
    return first | second << 16;
}

static inline uint32_t tk_uqadd8(uint32_t a, uint32_t b)
{
    uint32_t result = 0;
    for (unsigned at = 0; at < 32u; at += 8u) {
        const uint32_t sum = (a >> at & 255u) + (b >> at & 255u);
        result |= (sum > 255u ? 255u : sum) << at;
    }
    return result;
}

static inline uint32_t tk_uadd8(uint32_t a, uint32_t b)
{
    const uint32_t top = 0x80808080u;
    return ((a & ~top) + (b & ~top)) ^ ((a ^ b) & top);
}

#endif

#endif
