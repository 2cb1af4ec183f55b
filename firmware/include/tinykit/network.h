// SPDX-License-Identifier: Apache-2.0
// A network as data, and what runs it. Generated C defines the data and nothing else, so that how
// much code a firmware has does not depend on shapes, offsets and counts.
#ifndef TINYKIT_NETWORK_H
#define TINYKIT_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

typedef struct tk_network tk_network;

struct tk_network {
    // What is called, in this order, and how many calls that is.
    const tk_layer *layers;
    uint32_t count;
    // Puts integers from outside to the input: tk_network_load or tk_network_pack.
    void (*load)(const tk_network *network, const int8_t *features);
    // Takes integers from logits as they lie in memory, those of the output or of an exit:
    // tk_network_store or tk_network_unpack.
    void (*store)(const tk_network *network, const void *logits, int8_t *scores);
    // The first layer's input and the last one's output, as they lie in memory.
    void *input;
    const void *output;
    // Bytes where features may lie before an inference and scores may be put after it. Where the
    // values are of 8 bits, they are the input and the output themselves.
    int8_t *features, *scores;
    // Values of the input: in all, pixels, and values of a pixel.
    uint32_t inputs, pixels, channels;
    // Values of the output.
    uint32_t outputs;
    // Width of a value of the input and of the output in bits: 8, 4 or 2; the input also 1.
    uint32_t in_bits, out_bits;
    // Bytes of RAM for all activations and scratch.
    uint32_t arena_bytes;
};

// The network of this firmware; generated.
extern const tk_network tk_model;

// What people call the layers and the classes: texts one after another, each with its end.
extern const char tk_model_layer_names[];
extern const char tk_model_class_names[];

// Called after each layer with its output as it lies in memory: pixels of 8, 4, 2 or 1 bit
// values, little end first, each from a byte boundary.
typedef void tk_model_observer(void *context, unsigned layer, const void *output, size_t bytes);

// Runs one inference. `features` are as many integers as the input has values, at
// tk_model_input() or elsewhere; `scores` receives as many as the output has. Neither may be null.
tk_status tk_model_invoke(const int8_t *features, int8_t *scores);

// The same, with an observer, which may be null.
tk_status tk_model_observe(const int8_t *features, int8_t *scores, tk_model_observer *observer,
                           void *context);

// Where features may be written to save a copy; an inference may overwrite them.
int8_t *tk_model_input(void);

// The text of number `index` in tk_model_layer_names or tk_model_class_names, which has more.
const char *tk_model_name(const char *names, uint32_t index);

// Copies values of 8 bits to the input and from logits.
void tk_network_load(const tk_network *network, const int8_t *features);
void tk_network_store(const tk_network *network, const void *logits, int8_t *scores);

// Packs values of fewer bits into the input, and unpacks them from logits.
void tk_network_pack(const tk_network *network, const int8_t *features);
void tk_network_unpack(const tk_network *network, const void *logits, int8_t *scores);

#endif
