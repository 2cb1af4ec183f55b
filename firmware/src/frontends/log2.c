// SPDX-License-Identifier: Apache-2.0
#include "tinykit/log2.h"

#define PIECES_BITS 5

// log2(1 + i / 32) in Q15; mirrored by log2_table in tinykit/frontends/fixed.py.
static const uint16_t curve[(1 << PIECES_BITS) + 1] = {
    0,     1455,  2866,  4236,  5568,  6863,  8124,  9352,  10549, 11716, 12855,
    13968, 15055, 16117, 17156, 18173, 19168, 20143, 21098, 22034, 22952, 23852,
    24736, 25604, 26455, 27292, 28114, 28922, 29717, 30498, 31267, 32024, 32768,
};

int32_t tk_log2_q9(uint32_t high, uint32_t low)
{
    const uint32_t skipped = (high >> 16) != 0 ? 16 : 0;
    const uint32_t word = skipped != 0 ? high : (high << 16) | low;
    const uint32_t zeros = tk_leading_zeros(word);
    const uint32_t mantissa = word << zeros;
    const uint32_t piece = (mantissa >> (31 - PIECES_BITS)) & ((1u << PIECES_BITS) - 1u);
    const uint32_t fraction = (mantissa >> 10) & 0xFFFFu;
    const uint32_t rise = (uint32_t)curve[piece + 1] - curve[piece];
    const uint32_t whole = skipped + 31u - zeros;
    const uint32_t q15 = (whole << 15) + curve[piece] + ((rise * fraction + 0x8000u) >> 16);
    return (int32_t)((q15 + (1u << (14 - TK_LOG2_BITS))) >> (15 - TK_LOG2_BITS));
}
