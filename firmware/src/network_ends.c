// SPDX-License-Identifier: Apache-2.0
// What goes into a network and what comes out of it, whichever walk runs its layers.
#include <string.h>

#include "tinykit/network.h"
#include "tinykit/packing.h"

int8_t *tk_model_input(void)
{
    return tk_model.features;
}

const char *tk_model_name(const char *names, uint32_t index)
{
    for (; index != 0; --index) {
        while (*names++ != '\0') {
        }
    }
    return names;
}

void tk_network_load(const tk_network *network, const int8_t *features)
{
    if (features != network->input) {
        memcpy(network->input, features, network->inputs);
    }
}

void tk_network_store(const tk_network *network, const void *logits, int8_t *scores)
{
    if (scores != logits) {
        memcpy(scores, logits, network->outputs);
    }
}

void tk_network_pack(const tk_network *network, const int8_t *features)
{
    tk_pack(features, network->pixels, network->channels, network->in_bits, network->input);
}

void tk_network_unpack(const tk_network *network, const void *logits, int8_t *scores)
{
    tk_unpack_pixel(logits, network->outputs, network->out_bits, scores);
}
