// SPDX-License-Identifier: Apache-2.0
#include "tinykit/add.h"
#include "tinykit/simd.h"

// Four outputs, one a byte. A byte in the upper part of a half is 256 times its value, ready for a
// multiplication of a word by a half, whose upper 32 bits are added up. The output then lies in
// the upper half of a sum, so that packing two of them is all the shifting there is.
static inline uint32_t add_word(const tk_add_params *p, uint32_t a, uint32_t b, uint32_t upper)
{
    const uint32_t even_a = a << 8 & upper, even_b = b << 8 & upper;
    const uint32_t odd_a = a & upper, odd_b = b & upper;
    const int32_t fa = p->factor_a, fb = p->factor_b;
    const int32_t sum0 = tk_smlawb(fb, even_b, tk_smlawb(fa, even_a, p->offset));
    const int32_t sum2 = tk_smlawt(fb, even_b, tk_smlawt(fa, even_a, p->offset));
    const int32_t sum1 = tk_smlawb(fb, odd_b, tk_smlawb(fa, odd_a, p->offset));
    const int32_t sum3 = tk_smlawt(fb, odd_b, tk_smlawt(fa, odd_a, p->offset));
    const uint32_t even = tk_usat16_8(tk_pack_high((uint32_t)sum0, (uint32_t)sum2));
    const uint32_t odd = tk_usat16_8(tk_pack_high((uint32_t)sum1, (uint32_t)sum3));
    return even | odd << 8;
}

tk_status tk_add_halves(const tk_add_params *p, const void *a, const void *b, void *out)
{
    const tk_add_params k = *p;
    const uint8_t *left = a, *right = b;
    uint8_t *to = out;
    // Saturating the distance from the least output at 255 clamps above; what was added for that
    // goes again with the least output.
    const uint32_t room = 255u - k.range;
    const uint32_t above = 0x01010101u * room;
    const uint32_t back = 0x01010101u * ((uint32_t)(k.low - (int32_t)room) & 255u);
    // The compiler must not know this one: from a register, masking shifts for nothing.
    uint32_t upper = 0xFF00FF00u;
    __asm__("" : "+r"(upper));
    for (uint32_t n = k.values >> 2; n != 0; --n) {
        uint32_t word = add_word(&k, tk_load32_aligned(left), tk_load32_aligned(right), upper);
        word = tk_uadd8(tk_uqadd8(word, above), back);
        tk_store32_aligned(to, word);
        left += 4, right += 4, to += 4;
    }
    for (uint32_t n = k.values & 3u; n != 0; --n) {
        const uint32_t word = add_word(&k, *left++, *right++, upper);
        *to++ = (uint8_t)tk_uadd8(tk_uqadd8(word, above), back);
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_add_halves, layer->in[0], layer->in[1], layer->out)
