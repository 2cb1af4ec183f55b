// SPDX-License-Identifier: Apache-2.0
// A network with exits: logits on the way that an inference may end with, and modes that say when.
//
// The margin of logits is the greatest less the next. An inference leaves at an exit where that is
// not below a threshold, which the mode has for the exit, or for each class that the exit may name.
#ifndef TINYKIT_EXITS_H
#define TINYKIT_EXITS_H

#include <stdint.h>

#include "tinykit/layer.h"
#include "tinykit/status.h"

// A threshold that no margin reaches; in place of a row's number, an exit that is closed: it has no
// other threshold, and its own layers do not run.
#define TK_NEVER 255u

typedef struct {
    // The first of the layers that only this exit needs, and the last, which makes its logits.
    const tk_layer *head, *last;
    // Its logits as they lie in memory, of the output's width.
    const void *logits;
} tk_exit;

typedef struct {
    // In the order in which they come, closed by one of null pointers, and how many before that.
    const tk_exit *exits;
    uint32_t count;
    // How many modes there are, and for each, exit by exit, its threshold; or, where `rows` is not
    // null, the number of the row that has its thresholds, one a class. Rows differ.
    uint32_t modes;
    const uint8_t *thresholds, *rows;
} tk_exits;

// The exits of this firmware's network; generated.
extern const tk_exits tk_model_exits;

// Chooses the mode of all further inferences, by its number; 0 is the one at start. Gives
// TK_ERR_ARGUMENT, and changes nothing, where there is none of that number.
tk_status tk_set_mode(uint32_t mode);

// The mode that is in use, and how many there are.
uint32_t tk_mode(void);
uint32_t tk_mode_count(void);

// The exit that the last inference took, from 0; the number of exits if it ran to the end.
uint32_t tk_last_exit(void);

// The mode to use at a charge of the battery from 0 to 100 percent. Here: of all modes, which
// usually go from the costliest to the cheapest, evenly from the first at 100 to the last at 0.
// Weak: define a function of this name to have another policy.
uint32_t tk_mode_policy(uint32_t battery_percent);

// Sets the mode that the policy names; call it whenever the charge was measured.
tk_status tk_follow_battery(uint32_t battery_percent);

#endif
