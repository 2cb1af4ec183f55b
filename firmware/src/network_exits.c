// SPDX-License-Identifier: Apache-2.0
// The walk over the layers of a network with exits.
#include <stdbool.h>

#include "tinykit/exits.h"
#include "tinykit/marks.h"
#include "tinykit/network.h"

static uint32_t mode_in_use;
static uint32_t exit_taken;

// Whether to leave with `scores` at an exit with this threshold, or row of thresholds.
static bool is_enough(uint32_t threshold, const void *logits, int8_t *scores)
{
    tk_model.store(&tk_model, logits, scores);
    uint32_t best = 0;
    int32_t next = INT8_MIN, most = scores[0];
    for (uint32_t i = 1; i < tk_model.outputs; ++i) {
        const int32_t score = scores[i];
        if (score > most) {
            next = most;
            most = score;
            best = i;
        } else if (score > next) {
            next = score;
        }
    }
    if (tk_model_exits.rows != NULL) {
        threshold = tk_model_exits.rows[threshold * tk_model.outputs + best];
    }
    return threshold != TK_NEVER && most - next >= (int32_t)threshold;
}

// Runs the layers up to the exit that is taken, or to the end. Layers of a head that need not run
// are marked nevertheless, so that the n-th mark is that of the n-th layer. With an observer all
// layers run, no exit is taken, and nothing is marked: what it does is not the network's cost.
static tk_status run_layers(int8_t *scores, tk_model_observer *observer, void *context)
{
    const tk_layer *end = tk_model.layers + tk_model.count;
    const uint8_t *thresholds = tk_model_exits.thresholds + mode_in_use * tk_model_exits.count;
    const tk_exit *exit = tk_model_exits.exits;
    bool runs = true;
    uint32_t taken = 0;
    unsigned done = 0;
    if (observer == NULL) {
        tk_mark_begin();
    }
    for (const tk_layer *layer = tk_model.layers; layer != end; ++layer) {
        if (layer == exit->head) {
            runs = observer != NULL || thresholds[taken] != TK_NEVER;
        }
        const tk_status status = runs ? layer->run(layer) : TK_OK;
        if (status != TK_OK) {
            return status;
        }
        if (layer == exit->last) {
            if (runs && observer == NULL && is_enough(thresholds[taken], exit->logits, scores)) {
                end = layer + 1;
            } else {
                ++taken;
                ++exit;
            }
            runs = true;
        }
        if (layer->bytes == 0) {
            continue;
        }
        if (observer != NULL) {
            observer(context, done++, layer->out, layer->bytes);
        } else {
            tk_mark_layer();
        }
    }
    exit_taken = taken;
    return TK_OK;
}

tk_status tk_model_observe(const int8_t *features, int8_t *scores, tk_model_observer *observer,
                           void *context)
{
    if (features == NULL || scores == NULL) {
        return TK_ERR_ARGUMENT;
    }
    tk_model.load(&tk_model, features);
    const tk_status status = run_layers(scores, observer, context);
    if (status == TK_OK && exit_taken == tk_model_exits.count) {
        tk_model.store(&tk_model, tk_model.output, scores);
    }
    return status;
}

tk_status tk_model_invoke(const int8_t *features, int8_t *scores)
{
    return tk_model_observe(features, scores, NULL, NULL);
}

tk_status tk_set_mode(uint32_t mode)
{
    if (mode >= tk_model_exits.modes) {
        return TK_ERR_ARGUMENT;
    }
    mode_in_use = mode;
    return TK_OK;
}

uint32_t tk_mode(void)
{
    return mode_in_use;
}

uint32_t tk_mode_count(void)
{
    return tk_model_exits.modes;
}

uint32_t tk_last_exit(void)
{
    return exit_taken;
}

__attribute__((weak)) uint32_t tk_mode_policy(uint32_t battery_percent)
{
    const uint32_t charge = battery_percent < 100u ? battery_percent : 100u;
    return (100u - charge) * (tk_model_exits.modes - 1u) / 100u;
}

tk_status tk_follow_battery(uint32_t battery_percent)
{
    return tk_set_mode(tk_mode_policy(battery_percent));
}
