// SPDX-License-Identifier: Apache-2.0
#include "tinykit/sensor.h"

const char *tk_sensor_status_text(tk_sensor_status status)
{
    switch (status) {
#define TK_SENSOR_STATUS_CASE(name, value, text)                                                   \
    case name:                                                                                     \
        return text;
        TK_SENSOR_STATUS_LIST(TK_SENSOR_STATUS_CASE)
#undef TK_SENSOR_STATUS_CASE
    }
    return "unknown status";
}
