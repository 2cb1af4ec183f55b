// SPDX-License-Identifier: Apache-2.0
// Registers as in ST's data sheets DS12140 (LSM6DSO) and DS13012 (LSM6DSR).
#include "tinykit/lsm6dsx.h"

#include <stdbool.h>
#include <string.h>

#define FIFO_CTRL1 0x07u
#define FIFO_CTRL2 0x08u
#define FIFO_CTRL3 0x09u
#define FIFO_CTRL4 0x0Au
#define WHO_AM_I 0x0Fu
#define CTRL1_XL 0x10u
#define CTRL2_G 0x11u
#define CTRL3_C 0x12u
#define FIFO_STATUS1 0x3Au
#define FIFO_DATA_OUT_TAG 0x78u

#define FULL_SCALE_8G 0x0Cu
#define FULL_SCALE_2000DPS 0x0Cu
#define SOFTWARE_RESET 0x01u
#define INCREMENT 0x04u
#define BLOCK_DATA_UPDATE 0x40u
#define CONTINUOUS 0x06u
// Of FIFO_STATUS2: the count's upper bits; full and overwritten, now or since it was last read.
#define COUNT_HIGH 0x03u
#define OVERRUN 0x48u
// Kinds of words in the FIFO.
#define TAG_GYROSCOPE 1u
#define TAG_ACCELEROMETER 2u

#define ACCELERATION 1u
#define ANGULAR_RATE 2u
#define AXES 3u
// A tag and three values of 16 bits.
#define WORD_BYTES 7u
// The reset takes 50 us: reads of its flag, each of which takes longer than one of those.
#define RESET_READS 1000u

static bool has_gyroscope(const tk_lsm6dsx_params *params)
{
    return params->channels == TK_LSM6DSX_CHANNELS;
}

static tk_sensor_status reset(const tk_bus *bus, uint8_t device)
{
    uint8_t value = SOFTWARE_RESET;
    tk_sensor_status status = tk_bus_write(bus, device, CTRL3_C, SOFTWARE_RESET);
    for (uint32_t reads = 0; status == TK_SENSOR_OK && reads < RESET_READS; ++reads) {
        status = tk_bus_read(bus, device, CTRL3_C, &value, 1);
        if ((value & SOFTWARE_RESET) == 0) {
            return status;
        }
    }
    return status != TK_SENSOR_OK ? status : TK_SENSOR_ERR_RESET;
}

// The FIFO's mode comes last: up to there it takes nothing.
static tk_sensor_status configure(const tk_bus *bus, const tk_lsm6dsx_params *params)
{
    const unsigned rate = params->rate;
    const unsigned turning = has_gyroscope(params) ? rate : 0;
    const uint8_t settings[][2] = {
        {CTRL3_C, BLOCK_DATA_UPDATE | INCREMENT},
        {CTRL1_XL, (uint8_t)(rate << 4 | FULL_SCALE_8G)},
        {CTRL2_G, (uint8_t)(turning << 4 | FULL_SCALE_2000DPS)},
        {FIFO_CTRL1, 0},
        {FIFO_CTRL2, 0},
        {FIFO_CTRL3, (uint8_t)(turning << 4 | rate)},
        {FIFO_CTRL4, CONTINUOUS},
    };
    tk_sensor_status status = TK_SENSOR_OK;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == TK_SENSOR_OK; ++i) {
        status = tk_bus_write(bus, params->device, settings[i][0], settings[i][1]);
    }
    return status;
}

tk_sensor_status tk_lsm6dsx_start(const tk_bus *bus, const tk_lsm6dsx_params *params,
                                  tk_lsm6dsx_state *state)
{
    uint8_t identity = 0;
    state->have = 0;
    tk_sensor_status status = tk_bus_read(bus, params->device, WHO_AM_I, &identity, 1);
    if (status == TK_SENSOR_OK && identity != params->identity) {
        status = TK_SENSOR_ERR_IDENTITY;
    }
    if (status == TK_SENSOR_OK) {
        status = reset(bus, params->device);
    }
    return status != TK_SENSOR_OK ? status : configure(bus, params);
}

// Takes one word; true where it completes a sample. A half whose time slot has passed has lost its
// other half (the sensors do not start together) and goes.
static bool take_word(const tk_lsm6dsx_params *params, tk_lsm6dsx_state *state, const uint8_t *word)
{
    const unsigned tag = word[0] >> 3;
    if (tag != TAG_ACCELEROMETER && tag != TAG_GYROSCOPE) {
        return false;
    }
    const uint8_t half = tag == TAG_ACCELEROMETER ? ACCELERATION : ANGULAR_RATE;
    const uint8_t slot = (word[0] >> 1) & 3u;
    if ((state->have & half) != 0 || state->slot != slot) {
        state->have = 0;
    }
    int16_t *values = &state->sample[half == ACCELERATION ? 0u : AXES];
    for (size_t i = 0; i < AXES; ++i) {
        values[i] = (int16_t)(word[1 + 2 * i] | word[2 + 2 * i] << 8);
    }
    state->slot = slot;
    state->have |= half;
    const uint8_t all = has_gyroscope(params) ? ACCELERATION | ANGULAR_RATE : ACCELERATION;
    return (state->have & all) == all;
}

tk_sensor_status tk_lsm6dsx_read(const tk_bus *bus, const tk_lsm6dsx_params *params,
                                 tk_lsm6dsx_state *state, int16_t *samples, size_t room,
                                 size_t *taken)
{
    uint8_t fill[2];
    *taken = 0;
    tk_sensor_status status = tk_bus_read(bus, params->device, FIFO_STATUS1, fill, sizeof fill);
    if (status == TK_SENSOR_OK && (fill[1] & OVERRUN) != 0) {
        status = TK_SENSOR_ERR_OVERRUN;
    }
    if (status != TK_SENSOR_OK) {
        return status;
    }
    for (unsigned words = fill[0] | (fill[1] & COUNT_HIGH) << 8; words != 0 && *taken < room;
         --words) {
        uint8_t word[WORD_BYTES];
        status = tk_bus_read(bus, params->device, FIFO_DATA_OUT_TAG, word, sizeof word);
        if (status != TK_SENSOR_OK) {
            return status;
        }
        if (take_word(params, state, word)) {
            memcpy(samples, state->sample, params->channels * sizeof *samples);
            samples += params->channels;
            state->have = 0;
            ++*taken;
        }
    }
    return TK_SENSOR_OK;
}
