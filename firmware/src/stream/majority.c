// SPDX-License-Identifier: Apache-2.0
// Mirrored by tinykit/streaming.py.
#include "tinykit/majority.h"

#include <stdbool.h>

void tk_majority_reset(tk_majority_state *state)
{
    state->filled = 0;
    state->next = 0;
    state->decision = 0;
}

static uint32_t count_votes(const uint8_t *votes, uint32_t filled, uint8_t vote)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < filled; ++i) {
        count += votes[i] == vote ? 1u : 0u;
    }
    return count;
}

// Counts anew for each vote, since there are few: a table of counts would take more RAM.
static uint8_t decide(const uint8_t *votes, uint32_t filled, uint8_t previous)
{
    uint32_t most = 0;
    uint8_t winner = previous;
    bool tied = false;
    for (uint32_t i = 0; i < filled; ++i) {
        const uint32_t count = count_votes(votes, filled, votes[i]);
        if (count > most) {
            most = count;
            winner = votes[i];
            tied = false;
        } else if (count == most && votes[i] != winner) {
            tied = true;
        }
    }
    return tied ? previous : winner;
}

uint8_t tk_majority_push(const tk_majority_params *params, tk_majority_state *state, uint8_t *votes,
                         uint8_t vote)
{
    votes[state->next] = vote;
    state->next = state->next + 1 == params->depth ? 0 : state->next + 1;
    state->filled += state->filled < params->depth ? 1u : 0u;
    state->decision = decide(votes, state->filled, state->decision);
    return state->decision;
}
