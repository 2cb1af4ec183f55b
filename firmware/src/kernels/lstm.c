// SPDX-License-Identifier: Apache-2.0
#include "tinykit/lstm.h"

#include "sigmoid.h"
#include "tinykit/simd.h"

// The order of a cell's gates.
enum { INPUT, FORGET, CELL, OUTPUT, GATES };

// Bits of a gate's sum before the point.
#define GATE_BITS 3

// value * multiplier / 2^(31 + shift): rounded once to 2^31, halves up, and once more by the shift,
// halves away from zero. A negative shift shifts left first, and leaves 32 bits.
static int32_t scaled(int32_t value, int32_t multiplier, int32_t shift)
{
    if (shift < 0) {
        value = (int32_t)((uint32_t)value << -shift);
    }
    const int32_t high = (int32_t)(((int64_t)value * multiplier + (1LL << 30)) >> 31);
    if (shift <= 0) {
        return high;
    }
    return (((high + (high >> 31)) >> (shift - 1)) + 1) >> 1;
}

TK_INLINE int32_t within(int32_t value, int32_t least, int32_t greatest)
{
    return value < least ? least : value > greatest ? greatest : value;
}

// Adds the products of a block of four values with the weights of all gates.
TK_INLINE void add_block(const uint32_t *weights, const int8_t *x, int32_t sum[GATES])
{
#if TK_DSP
    const uint32_t word = tk_load32(x);
    const uint32_t even = tk_sxtb16(word), odd = tk_sxtb16_ror8(word);
#pragma GCC unroll 4
    for (uint32_t gate = 0; gate < GATES; ++gate) {
        const uint32_t four = weights[gate];
        sum[gate] = tk_smlad(tk_sxtb16(four), even, sum[gate]);
        sum[gate] = tk_smlad(tk_sxtb16_ror8(four), odd, sum[gate]);
    }
#else
    const int8_t *bytes = (const int8_t *)weights;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
#pragma GCC unroll 4
        for (uint32_t gate = 0; gate < GATES; ++gate) {
            sum[gate] += bytes[4 * gate + i] * x[i];
        }
    }
#endif
}

// Adds to the gates of a cell, of 16 bits each, their scaled sums over `count` values; gives what
// follows in the stream.
static const uint32_t *add_sums(const uint32_t *stream, const int32_t *scales, const int8_t *x,
                                uint32_t count, int32_t gates[GATES])
{
    int32_t sum[GATES];
#pragma GCC unroll 4
    for (uint32_t gate = 0; gate < GATES; ++gate) {
        sum[gate] = (int32_t)stream[gate];
    }
    stream += GATES;
    for (uint32_t n = (count + 3u) >> 2; n != 0; --n, stream += GATES, x += 4) {
        add_block(stream, x, sum);
    }
#pragma GCC unroll 4
    for (uint32_t gate = 0; gate < GATES; ++gate) {
        const int32_t more = scaled(sum[gate], scales[gate], scales[GATES + gate]);
        gates[gate] = within(gates[gate] + more, INT16_MIN, INT16_MAX);
    }
    return stream;
}

// The next state of a cell, and its output.
static int8_t step_cell(const tk_lstm_params *p, const int32_t gates[GATES], int16_t *state)
{
    const int32_t kept = tk_shift_right(tk_sigmoid_q15(gates[FORGET]) * *state, 15);
    const int32_t fresh = tk_sigmoid_q15(gates[INPUT]) * tk_tanh_q15(gates[CELL], GATE_BITS);
    const int32_t sum = kept + tk_shift_right(fresh, 15 + p->cell_bits);
    const int32_t next = within(sum, p->least, p->greatest);
    *state = (int16_t)next;
    const int32_t product = tk_sigmoid_q15(gates[OUTPUT]) * tk_tanh_q15(next, p->cell_bits);
    const int32_t value = scaled(product, p->multiplier, p->shift) + p->output.zero_point;
    return (int8_t)tk_clamp(&p->output, value);
}

tk_status tk_lstm(const tk_lstm_params *p, const void *in, void *out, void *scratch)
{
    const int8_t *x = in, *last = NULL;
    int8_t *to = out;
    int16_t *state = scratch;
    memset(state, 0, p->cells * sizeof *state);
    for (uint32_t n = p->steps; n != 0; --n, x += p->features, last = to, to += p->cells) {
        const uint32_t *stream = p->stream;
        for (uint32_t cell = 0; cell < p->cells; ++cell) {
            int32_t gates[GATES] = {0};
            stream = add_sums(stream, p->gates, x, p->features, gates);
            if (last != NULL) {
                stream = add_sums(stream, p->gates + 2 * GATES, last, p->cells, gates);
            } else {
                // Before the first step the output stands for zero.
                stream += GATES * (1u + ((p->cells + 3u) >> 2));
            }
            to[cell] = step_cell(p, gates, &state[cell]);
        }
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_lstm, layer->in[0], layer->out, layer->scratch)
