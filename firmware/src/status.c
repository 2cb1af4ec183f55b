// SPDX-License-Identifier: Apache-2.0
#include "tinykit/status.h"

const char *tk_status_text(tk_status status)
{
    switch (status) {
#define TK_STATUS_CASE(name, value, text)                                                          \
    case name:                                                                                     \
        return text;
        TK_STATUS_LIST(TK_STATUS_CASE)
#undef TK_STATUS_CASE
    }
    return "unknown status";
}
