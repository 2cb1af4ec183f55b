// SPDX-License-Identifier: Apache-2.0
// Decisions smoothed by the majority of the last few.
#ifndef TINYKIT_MAJORITY_H
#define TINYKIT_MAJORITY_H

#include <stdint.h>

typedef struct {
    // How many votes count, at least 1, which smooths nothing.
    uint32_t depth;
} tk_majority_params;

typedef struct {
    // Votes so far, up to `depth`, and where the next one goes.
    uint32_t filled, next;
    // The decision, which stays where no class has more votes than every other.
    uint8_t decision;
} tk_majority_state;

// Forgets all votes.
void tk_majority_reset(tk_majority_state *state);

// Takes a vote into `votes`, which has room for params->depth. Returns the decision.
uint8_t tk_majority_push(const tk_majority_params *params, tk_majority_state *state, uint8_t *votes,
                         uint8_t vote);

#endif
