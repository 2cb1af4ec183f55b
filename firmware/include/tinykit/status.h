// SPDX-License-Identifier: Apache-2.0
// The one list of status codes. Negative means failure; zero means success.
#ifndef TINYKIT_STATUS_H
#define TINYKIT_STATUS_H

#define TK_STATUS_LIST(X)                                                                          \
    X(TK_OK, 0, "ok")                                                                              \
    X(TK_ERR_ARGUMENT, -1, "an argument is a null pointer or out of range")                        \
    X(TK_ERR_PARAMS, -2, "a layer's constants contradict each other")

typedef enum {
#define TK_STATUS_ENUM(name, value, text) name = (value),
    TK_STATUS_LIST(TK_STATUS_ENUM)
#undef TK_STATUS_ENUM
} tk_status;

// The text of a status; never null.
const char *tk_status_text(tk_status status);

#endif
