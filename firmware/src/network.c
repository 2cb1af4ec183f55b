// SPDX-License-Identifier: Apache-2.0
// The walk over the layers of a network that always runs to its end; network_exits.c has the other.
#include "tinykit/network.h"

#include "tinykit/marks.h"

// An observed inference is not marked: what the observer does is not the network's cost.
static tk_status run_layers(tk_model_observer *observer, void *context)
{
    if (observer == NULL) {
        tk_mark_begin();
    }
    const tk_layer *end = tk_model.layers + tk_model.count;
    unsigned done = 0;
    for (const tk_layer *layer = tk_model.layers; layer != end; ++layer) {
        const tk_status status = layer->run(layer);
        if (status != TK_OK) {
            return status;
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
    return TK_OK;
}

tk_status tk_model_observe(const int8_t *features, int8_t *scores, tk_model_observer *observer,
                           void *context)
{
    if (features == NULL || scores == NULL) {
        return TK_ERR_ARGUMENT;
    }
    tk_model.load(&tk_model, features);
    const tk_status status = run_layers(observer, context);
    if (status == TK_OK) {
        tk_model.store(&tk_model, tk_model.output, scores);
    }
    return status;
}

tk_status tk_model_invoke(const int8_t *features, int8_t *scores)
{
    return tk_model_observe(features, scores, NULL, NULL);
}
