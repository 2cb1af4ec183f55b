// SPDX-License-Identifier: Apache-2.0
#include "tinykit/packing.h"

void tk_pack(const int8_t *values, size_t pixels, size_t channels, unsigned bits, uint8_t *packed)
{
    for (; pixels != 0; --pixels) {
        for (size_t c = 0; c < channels; ++c) {
            tk_put(packed, c, bits, values[c]);
        }
        values += channels;
        packed += tk_pixel_bytes(channels, bits);
    }
}

void tk_unpack_pixel(const uint8_t *packed, size_t channels, unsigned bits, int8_t *values)
{
    for (size_t c = 0; c < channels; ++c) {
        values[c] = (int8_t)tk_get(packed, c, bits);
    }
}
