// SPDX-License-Identifier: Apache-2.0
// The walk over the layers of a network with exits.
#include <stdbool.h>
#include <string.h>

#include "tinykit/exits.h"
#include "tinykit/marks.h"
#include "tinykit/network.h"
#include "tinykit/packing.h"

static uint32_t mode_in_use;
static uint32_t exit_taken;

// Whether any inference may leave at an exit with these thresholds.
static bool is_open(const uint8_t *thresholds)
{
    const uint8_t *end = thresholds + tk_model_exits.each;
    while (thresholds != end && *thresholds == TK_NEVER) {
        ++thresholds;
    }
    return thresholds != end;
}

// Whether to leave with `scores`.
static bool is_enough(const uint8_t *thresholds, const int8_t *scores)
{
    uint32_t best = 0;
    int32_t next = INT8_MIN;
    for (uint32_t i = 1; i < tk_model.outputs; ++i) {
        if (scores[i] > scores[best]) {
            next = scores[best];
            best = i;
        } else if (scores[i] > next) {
            next = scores[i];
        }
    }
    const uint32_t threshold = thresholds[tk_model_exits.each == 1 ? 0 : best];
    return threshold != TK_NEVER && scores[best] - next >= (int32_t)threshold;
}

// Takes the output, unless an exit was taken or a layer failed.
static tk_status finished(tk_status status, int8_t *scores)
{
    if (status == TK_OK && exit_taken == tk_model_exits.count) {
        tk_model.store(&tk_model, scores);
    }
    return status;
}

// Runs the layers up to the exit that is taken, or to the end. Layers of a head that need not run
// are marked nevertheless, so that the n-th mark is that of the n-th layer.
static tk_status run_marked(int8_t *scores)
{
    const tk_layer *end = tk_model.layers + tk_model.count;
    const tk_exit *exit = tk_model_exits.exits;
    const uint8_t *thresholds = tk_model_exits.thresholds;
    thresholds += mode_in_use * tk_model_exits.count * tk_model_exits.each;
    bool skips = false, leaves = false;
    tk_mark_begin();
    for (const tk_layer *layer = tk_model.layers; layer != end && !leaves; ++layer) {
        if (layer == exit->head) {
            skips = !is_open(thresholds);
        }
        const tk_status status = skips ? TK_OK : layer->run(layer);
        if (status != TK_OK) {
            return status;
        }
        if (layer == exit->last) {
            if (!skips) {
                tk_model_exits.store(exit->logits, scores);
                leaves = is_enough(thresholds, scores);
            }
            skips = false;
            exit += !leaves;
            thresholds += tk_model_exits.each;
        }
        if (layer->bytes != 0) {
            tk_mark_layer();
        }
    }
    exit_taken = (uint32_t)(exit - tk_model_exits.exits);
    return TK_OK;
}

// Runs all layers. This inference is not marked: what the observer does is not the network's cost.
static tk_status run_observed(tk_model_observer *observer, void *context)
{
    unsigned done = 0;
    for (uint32_t i = 0; i < tk_model.count; ++i) {
        const tk_layer *layer = &tk_model.layers[i];
        const tk_status status = layer->run(layer);
        if (status != TK_OK) {
            return status;
        }
        if (layer->bytes != 0) {
            observer(context, done++, layer->out, layer->bytes);
        }
    }
    exit_taken = tk_model_exits.count;
    return TK_OK;
}

tk_status tk_model_observe(const int8_t *features, int8_t *scores, tk_model_observer *observer,
                           void *context)
{
    if (observer == NULL) {
        return tk_model_invoke(features, scores);
    }
    if (features == NULL || scores == NULL) {
        return TK_ERR_ARGUMENT;
    }
    tk_model.load(&tk_model, features);
    return finished(run_observed(observer, context), scores);
}

tk_status tk_model_invoke(const int8_t *features, int8_t *scores)
{
    if (features == NULL || scores == NULL) {
        return TK_ERR_ARGUMENT;
    }
    tk_model.load(&tk_model, features);
    return finished(run_marked(scores), scores);
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

void tk_exit_store(const void *logits, int8_t *scores)
{
    memcpy(scores, logits, tk_model.outputs);
}

void tk_exit_unpack(const void *logits, int8_t *scores)
{
    tk_unpack_pixel(logits, tk_model.outputs, tk_model.out_bits, scores);
}
