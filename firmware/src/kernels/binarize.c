// SPDX-License-Identifier: Apache-2.0
#include "tinykit/binarize.h"

// 1 if a value gives +1: then its place among the inputs and their number reach 256 together.
static uint32_t bit_of(uint8_t value, int32_t rule)
{
    const uint32_t word = (uint32_t)rule;
    return ((value ^ (word >> 16)) + (word & 0xFFFFu)) >> 8;
}

tk_status tk_binarize(const tk_binarize_params *p, const void *in, void *out)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    for (uint32_t pixel = p->pixels; pixel != 0; --pixel) {
        const int32_t *rule = p->rules;
        for (uint32_t n = p->channels >> 3; n != 0; --n) {
            uint32_t bits = bit_of(from[0], rule[0]);
            bits |= bit_of(from[1], rule[1]) << 1;
            bits |= bit_of(from[2], rule[2]) << 2;
            bits |= bit_of(from[3], rule[3]) << 3;
            bits |= bit_of(from[4], rule[4]) << 4;
            bits |= bit_of(from[5], rule[5]) << 5;
            bits |= bit_of(from[6], rule[6]) << 6;
            bits |= bit_of(from[7], rule[7]) << 7;
            *to++ = (uint8_t)bits;
            from += 8, rule += 8;
        }
        const uint32_t rest = p->channels & 7u;
        if (rest != 0) {
            uint32_t bits = 0;
            for (uint32_t n = 0; n < rest; ++n) {
                bits |= bit_of(*from++, *rule++) << n;
            }
            *to++ = (uint8_t)bits;
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_binarize, layer->in[0], layer->out)
