// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>

#define TK_POOL_START 0

static inline int32_t fold(int32_t sum, int32_t value)
{
    return sum + value;
}

// The quotient of integers truncates, so half of the divisor moves it to the nearest.
static inline int32_t finish(int32_t sum, int32_t count)
{
    const int32_t half = count / 2;
    return (sum < 0 ? sum - half : sum + half) / count;
}

#include "pool_body.h"

tk_status tk_avgpool2d(const tk_pool_params *p, const void *in, void *out)
{
    return pool(p, in, out);
}
