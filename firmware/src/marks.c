// SPDX-License-Identifier: Apache-2.0
#include "tinykit/marks.h"

// The volatile asm keeps calls in place; its differing text keeps identical-code folding from
// giving two marks one address; noinline keeps the call itself.
#define TK_MARK(name)                                                                              \
    __attribute__((noinline)) void name(void)                                                      \
    {                                                                                              \
        __asm__ volatile("" ::: "memory");                                                         \
    }

TK_MARK(tk_mark_begin)
TK_MARK(tk_mark_layer)
TK_MARK(tk_mark_frontend_begin)
TK_MARK(tk_mark_frontend_end)
TK_MARK(tk_mark_timestamp)
TK_MARK(tk_mark_sampling)
