// SPDX-License-Identifier: Apache-2.0
// What mean.c and mean_words.c share: from a sum to an output. Included once by each.
#ifndef TINYKIT_MEAN_BODY_H
#define TINYKIT_MEAN_BODY_H

#include <stddef.h>

#include "product.h"
#include "tinykit/mean.h"

// How many of the steps the sum reaches.
static int32_t steps_reached(const int32_t *steps, int32_t count, int32_t sum)
{
    int32_t low = 0;
    while (low < count) {
        const int32_t middle = (low + count) >> 1;
        if (steps[middle] <= sum) {
            low = middle + 1;
        } else {
            count = middle;
        }
    }
    return low;
}

static int32_t mean_of(const tk_mean_params *p, int32_t sum)
{
    int32_t value;
    if (p->steps != NULL) {
        value = steps_reached(p->steps, p->range, sum);
    } else {
        const int32_t wide = (int32_t)((uint32_t)sum << p->left);
        value = tk_high_sum(wide, p->factor, p->offset) >> p->shift;
    }
    return tk_clamp_above(value + p->low, p->low, p->range);
}

#endif
