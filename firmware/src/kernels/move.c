// SPDX-License-Identifier: Apache-2.0
#include "tinykit/move.h"

#include "copy.h"

static void move_runs(const tk_move_params *p, const uint8_t *from, uint8_t *to)
{
    const int32_t run_from = p->run_from, run_to = p->run_to;
    const uint32_t run = p->run;
    for (uint32_t n = p->runs; n != 0; --n, from += run_from, to += run_to) {
        tk_copy(from, to, run);
    }
}

// Runs of one byte.
static void move_bytes(const tk_move_params *p, const uint8_t *from, uint8_t *to)
{
    const int32_t run_from = p->run_from, run_to = p->run_to;
    for (uint32_t n = p->runs; n != 0; --n, from += run_from, to += run_to) {
        *to = *from;
    }
}

tk_status tk_move(const tk_move_params *p, const void *in, void *out)
{
    const uint8_t *from = (const uint8_t *)in + p->from;
    uint8_t *to = (uint8_t *)out + p->to;
    for (uint32_t block = p->blocks; block != 0; --block) {
        const uint8_t *line_from = from;
        uint8_t *line_to = to;
        for (uint32_t line = p->lines; line != 0; --line) {
            if (p->run == 1) {
                move_bytes(p, line_from, line_to);
            } else {
                move_runs(p, line_from, line_to);
            }
            line_from += p->line_from;
            line_to += p->line_to;
        }
        from += p->block_from;
        to += p->block_to;
    }
    return TK_OK;
}

TK_LAYER_RUN(tk_move, layer->in[0], layer->out)
