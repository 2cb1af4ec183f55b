// SPDX-License-Identifier: Apache-2.0
// The 3x3 kernel for inputs, weights and outputs of 4 and 2 bits, channels in fours: the image is
// folded, so that one SMLAD serves two outputs. Included once by each pair of widths after IN_BITS
// and OUT_BITS.
//
// A half of a plane holds x + y * 2^LANE, where x lies in the upper part of the image and y as many
// rows further down as makes two parts of it; both see the same taps. y, the top field of the half,
// is signed, x is not. Taps are multiplied by 2^IN_BITS, so that a sum is s(y) * 2^16 in its upper
// half and s(x) * 2^IN_BITS in its lower one, which starts so high that it never is negative and
// borrows nothing.
//
// A narrow output is a staircase of few steps over its sum, and the generator finds a straight line
// with the same steps (codegen/lines.py): SMLAWB and SMLAWT multiply it straight out of the half in
// which it stands, and SSAT drops the fraction and clamps. Four outputs take 29 instructions, and
// 7 or 15 for storing them.
//
// Of an odd number of rows, the two parts share one, which is computed twice.
//
// The stream holds for each channel: factor, offset, three rows of taps of 16 bits (4 bits a tap),
// and 16 bits of what the lower half starts with.
#ifndef TINYKIT_DSP_DEPTHWISE_FOLDED_BODY_H
#define TINYKIT_DSP_DEPTHWISE_FOLDED_BODY_H

#include "finish.h"
#include "tinykit/depthwise.h"

// Where the upper field of a half starts.
#define LANE (16 - IN_BITS)
// Bits of a line below the output's; what the lower half starts with at least, in sums. As in
// codegen/pack.py.
#define FRACTION 12
#define LIFT 1024
// The field of two pixels' first channel.
#define FIELDS (IN_BITS == 4 ? 0x000F000Fu : 0x00030003u)

// All that the inner loop needs of a channel, in the order in which it is loaded.
typedef struct {
    // For each kernel row its taps 0 and 1, and 1 and 2.
    uint32_t pair[6];
    // What a sum starts with.
    uint32_t start;
    // The line for the lower half and for the upper.
    int32_t low_factor, low_offset, high_factor, high_offset;
    // Bytes from one output to the next, and to the one in the other part.
    uint32_t step, distance;
} channel;

// The rows of the window, and where the next output goes.
typedef struct {
    const int16_t *x0, *x1, *x2;
    uint8_t *out;
} place;

// Rows of outputs, pairs and single ones in each, and halves from the end of a row of the window to
// the start of the next.
typedef struct {
    uint32_t rows, pairs, singles, skip;
} path;

#if defined(__ARM_FEATURE_DSP)

#define LOAD(taps, x)                                                                              \
    "ldrd %[w0], %[w1], [%[t], #" taps "]\n\t"                                                     \
    "ldrd %[d0], %[d1], [%[" x "]], #4\n\t"
// The first row's part of both sums, of the first alone, and that of the other rows.
#define SECOND_STARTS "ldr %[s0], [%[t], #24]\n\tsmlatb %[s1], %[d0], %[w0], %[s0]\n\t"
#define SECOND_ENDS "smlad %[s1], %[d1], %[w1], %[s1]\n\t"
#define FIRST "smlad %[s0], %[d0], %[w0], %[s0]\n\tsmlabt %[s0], %[d1], %[w1], %[s0]\n\t"
#define BOTH FIRST "smlatb %[s1], %[d0], %[w0], %[s1]\n\t" SECOND_ENDS
// Lower halves to d0 and d1, upper halves to s0 and s1.
#define LOW_LINE "ldrd %[w0], %[w1], [%[t], #28]\n\t"
#define HIGH_LINE "ldrd %[w0], %[w1], [%[t], #36]\n\t"
#define LINE(which, to, s)                                                                         \
    "smlaw" which " %[" to "], %[w0], %[" s "], %[w1]\n\t"                                         \
    "ssat %[" to "], %[bits], %[" to "], asr #12\n\t"
// Steps to w0 and w1.
#define STEPS "ldrd %[w0], %[w1], [%[t], #44]\n\t"
#define NEXT "add %[out], %[out], %[w0]\n\t"
// The first channel of a byte sets it, the others set the rest of it.
#define SET(v, to) "strb %[" v "], [%[out]" to "]\n\t"
#define ADD(v, to)                                                                                 \
    "ldrb %[b], [%[out]" to "]\n\t"                                                                \
    "bfi %[b], %[" v "], %[at], %[left]\n\t"                                                       \
    "strb %[b], [%[out]" to "]\n\t"
#define FOUR(put)                                                                                  \
    LOAD("0", "x0")                                                                                \
    SECOND_STARTS FIRST SECOND_ENDS LOAD("8", "x1") BOTH LOAD("16", "x2")                          \
        BOTH LOW_LINE LINE("b", "d0", "s0") LINE("b", "d1", "s1") HIGH_LINE LINE("t", "s0", "s0")  \
            LINE("t", "s1", "s1") STEPS put("d0", "") put("s0", ", %[w1]") NEXT put("d1", "")      \
                put("s1", ", %[w1]") NEXT
#define TWO(put)                                                                                   \
    "ldr %[s0], [%[t], #24]\n\t" LOAD("0", "x0") FIRST LOAD("8", "x1") FIRST LOAD("16", "x2")      \
        FIRST LOW_LINE LINE("b", "d0", "s0") HIGH_LINE LINE("t", "s0", "s0") STEPS put("d0", "")   \
            put("s0", ", %[w1]") NEXT
#define RUN(body)                                                                                  \
    __asm__ volatile(body                                                                          \
                     : [s0] "=&r"(s0), [s1] "=&r"(s1), [w0] "=&r"(w0), [w1] "=&r"(w1),             \
                       [d0] "=&r"(d0), [d1] "=&r"(d1), [b] "=&r"(b), [x0] "+r"(at->x0),            \
                       [x1] "+r"(at->x1), [x2] "+r"(at->x2), [out] "+r"(at->out)                   \
                     : [t] "r"(c), [bits] "i"(OUT_BITS), [at] "i"(shift), [left] "i"(8 - shift)    \
                     : "memory")

// The next two outputs of both parts, at bit `shift`, a constant, of their bytes.
TK_INLINE void four(const channel *c, place *at, const uint32_t shift)
{
    uint32_t s0, s1, w0, w1, d0, d1, b;
    if (shift == 0) {
        RUN(FOUR(SET));
    } else {
        RUN(FOUR(ADD));
    }
}

// The next output of both parts.
TK_INLINE void two(const channel *c, place *at, const uint32_t shift)
{
    uint32_t s0, s1, w0, w1, d0, d1, b;
    if (shift == 0) {
        RUN(TWO(SET));
    } else {
        RUN(TWO(ADD));
    }
}

#else

TK_INLINE void put(uint8_t *out, int32_t line, uint32_t shift)
{
    const int32_t value = OUT_BITS == 4 ? tk_ssat4(line >> FRACTION) : tk_ssat2(line >> FRACTION);
    const uint32_t before = (1u << shift) - 1u;
    *out = (uint8_t)((*out & before) | (uint32_t)value << shift);
}

TK_INLINE void put_both(const channel *c, uint8_t *out, int32_t sum, uint32_t shift)
{
    const uint32_t bits = (uint32_t)sum;
    put(out, tk_smlawb(c->low_factor, bits, c->low_offset), shift);
    put(out + c->distance, tk_smlawt(c->high_factor, bits, c->high_offset), shift);
}

TK_INLINE void two(const channel *c, place *at, uint32_t shift)
{
    const int16_t *x[3] = {at->x0, at->x1, at->x2};
    int32_t sum = (int32_t)c->start;
    for (uint32_t i = 0; i < 3; ++i) {
        sum = tk_smlad(tk_load32(x[i]), c->pair[2 * i], sum);
        sum = tk_smlabt((uint16_t)x[i][2], c->pair[2 * i + 1], sum);
    }
    put_both(c, at->out, sum, shift);
    at->out += c->step;
    at->x0 += 2;
    at->x1 += 2;
    at->x2 += 2;
}

TK_INLINE void four(const channel *c, place *at, uint32_t shift)
{
    place second = {at->x0 + 1, at->x1 + 1, at->x2 + 1, at->out + c->step};
    two(c, at, shift);
    two(c, &second, shift);
    at->out = second.out;
}

#endif

TK_INLINE void walk(const channel *c, place at, const path *p, uint32_t shift)
{
    for (uint32_t row = p->rows; row != 0; --row) {
        for (uint32_t left = p->pairs; left != 0; --left) {
            four(c, &at, shift);
        }
        for (uint32_t left = p->singles; left != 0; --left) {
            two(c, &at, shift);
        }
        at.x0 += p->skip;
        at.x1 += p->skip;
        at.x2 += p->skip;
    }
}

#define WALK(shift)                                                                                \
    static __attribute__((noinline)) void walk_##shift(const channel *c, place at, const path *p)  \
    {                                                                                              \
        walk(c, at, p, shift);                                                                     \
    }

WALK(0)
WALK(4)
#if OUT_BITS == 2
WALK(2)
WALK(6)
#endif

static void walk_at(const channel *c, place at, const path *p, uint32_t shift)
{
    if (shift == 0) {
        walk_0(c, at, p);
    } else if (shift == 4) {
        walk_4(c, at, p);
#if OUT_BITS == 2
    } else if (shift == 2) {
        walk_2(c, at, p);
    } else {
        walk_6(c, at, p);
#endif
    }
}

// Tap `i` of a row times 2^IN_BITS.
TK_INLINE uint32_t tap(uint32_t row, uint32_t i)
{
    return (uint32_t)((int32_t)(row << (28u - 4u * i)) >> 28) << IN_BITS;
}

TK_INLINE void read_channel(const uint32_t *stream, channel *c)
{
    const int32_t factor = (int32_t)stream[0], offset = (int32_t)stream[1];
    const uint32_t rows[3] = {stream[2], stream[2] >> 16, stream[3]};
#pragma GCC unroll 3
    for (uint32_t i = 0; i < 3; ++i) {
        const uint32_t middle = tap(rows[i], 1);
        c->pair[2 * i] = tk_pack_low(tap(rows[i], 0), middle);
        c->pair[2 * i + 1] = tk_pack_low(middle, tap(rows[i], 2));
    }
    c->start = stream[3] >> 16;
    c->low_factor = factor >> IN_BITS;
    c->low_offset = offset - factor / (65536 / LIFT);
    c->high_factor = factor;
    c->high_offset = offset;
}

// Four channels of a pixel.
TK_INLINE uint32_t load_four(const uint8_t *pixel)
{
    return IN_BITS == 4 ? tk_load16(pixel) : *pixel;
}

// Of channel `q` of the four: two pixels of the upper part over two of the lower.
TK_INLINE uint32_t fold(uint32_t upper, uint32_t lower, uint32_t q)
{
    return (upper >> (q * IN_BITS) & FIELDS) | (lower & FIELDS << (q * IN_BITS))
                                                   << (LANE - q * IN_BITS);
}

// What makes a field of the upper part unsigned.
#define FLIP (IN_BITS == 4 ? 0x88888888u : 0xAAAAAAAAu)

// A row of pixels, `step` bytes apart.
typedef struct {
    const uint8_t *pixel;
    uint32_t step;
} line;

// One row of four planes, which are `size` halves apart, from a row of either part.
static __attribute__((noinline)) void copy_row(line upper, line lower, uint32_t width, int16_t *to,
                                               uint32_t size)
{
    const uint8_t *a = upper.pixel, *b = lower.pixel;
    for (uint32_t left = width / 2u; left != 0; --left) {
        const uint32_t above = (load_four(a) | load_four(a + upper.step) << 16) ^ FLIP;
        const uint32_t below = load_four(b) | load_four(b + lower.step) << 16;
        a += 2u * upper.step;
        b += 2u * lower.step;
        tk_store32(to, fold(above, below, 0));
        tk_store32(to + size, fold(above, below, 1));
        tk_store32(to + 2u * size, fold(above, below, 2));
        tk_store32(to + 3u * size, fold(above, below, 3));
        to += 2;
    }
    if (width & 1u) {
        const uint32_t above = load_four(a) ^ FLIP, below = load_four(b);
        for (uint32_t q = 0; q < 4; ++q, to += size) {
            *to = (int16_t)fold(above, below, q);
        }
    }
}

// Rows of a plane.
TK_INLINE uint32_t plane_rows(const tk_depthwise_params *p, uint32_t rows)
{
    return (rows - 1u) * p->stride_height + 3u;
}

// The planes of four channels from byte `in` of the first pixel; `rows` are those of outputs.
static void copy_planes(const tk_depthwise_params *p, const uint8_t *in, uint32_t rows,
                        int16_t *plane, uint32_t size)
{
    const uint32_t step = p->in_channels * IN_BITS / 8u;
    const int32_t apart = (int32_t)((p->out_height - rows) * p->stride_height);
    const uint32_t zero = (uint32_t)p->in_zero_point & ((1u << IN_BITS) - 1u);
    const uint32_t blanks = zero * (IN_BITS == 4 ? 0x1111u : 0x5555u);
    const line blank = {(const uint8_t *)&blanks, 0};
    int16_t *to = plane + p->pad_left;
    int32_t y = -(int32_t)p->pad_top;
    for (uint32_t left = plane_rows(p, rows); left != 0; --left, ++y, to += p->plane_width) {
        line part[2];
        for (uint32_t i = 0; i < 2; ++i) {
            const uint32_t at = (uint32_t)(i == 0 ? y : y + apart);
            part[i] = at < p->in_height ? (line){in + at * p->in_width * step, step} : blank;
        }
        copy_row(part[0], part[1], p->in_width, to, size);
    }
}

// Fills the planes with zero points; copying then leaves the padding alone.
static void blank_planes(const tk_depthwise_params *p, int16_t *plane, uint32_t size)
{
    const uint32_t zero = (uint32_t)p->in_zero_point;
    const uint32_t half = ((zero + (1u << (IN_BITS - 1))) | zero << LANE) & 0xFFFFu;
    for (uint32_t left = 2u * size; left != 0; --left, plane += 2) {
        tk_store32_aligned(plane, half | half << 16);
    }
}

TK_INLINE tk_status depthwise_folded(const tk_depthwise_params *p, const uint8_t *in, uint8_t *out,
                                     void *scratch)
{
    const uint32_t width = p->plane_width, rows = (p->out_height + 1u) / 2u;
    const uint32_t size = plane_rows(p, rows) * width + 2u;
    const uint32_t pairs = p->stride_width == 1 ? p->out_width / 2u : 0;
    const uint32_t singles = p->out_width - 2u * pairs;
    const path way = {rows, pairs, singles,
                      (uint32_t)p->stride_height * width - 2u * (pairs + singles)};
    const uint32_t *stream = p->stream;
    channel c;
    c.step = p->channels * OUT_BITS / 8u;
    c.distance = (uint32_t)(p->out_height - rows) * p->out_width * c.step;
    blank_planes(p, scratch, size);
    for (uint32_t first = 0; first < p->channels; first += 4) {
        const int16_t *plane = scratch;
        copy_planes(p, in + first * IN_BITS / 8u, rows, scratch, size);
        for (uint32_t i = first; i < first + 4; ++i, stream += 4, plane += size) {
            const place at = {plane, plane + width, plane + 2u * width, out + i * OUT_BITS / 8u};
            read_channel(stream, &c);
            walk_at(&c, at, &way, i * OUT_BITS & 7u);
        }
    }
    return TK_OK;
}

#endif
