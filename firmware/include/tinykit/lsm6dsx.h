// SPDX-License-Identifier: Apache-2.0
// Driver of ST's inertial sensors with a tagged FIFO: LSM6DSO, LSM6DSOX, LSM6DSR, ISM330DHCX. The
// older LSM6DS3 and LSM6DSL, whose FIFO has no tags, are others.
//
// The accelerometer runs at +-8 g (a step is 1/4096 g), the gyroscope at +-2000 deg/s (a step is
// 0.07 deg/s). Both put their samples into the FIFO, so that none is lost during an inference.
#ifndef TINYKIT_LSM6DSX_H
#define TINYKIT_LSM6DSX_H

#include <stddef.h>
#include <stdint.h>

#include "tinykit/sensor.h"

#define TK_LSM6DSX_CHANNELS 6u

typedef struct {
    // Address on I2C (0x6A or 0x6B) or chip select on SPI.
    uint8_t device;
    // What register WHO_AM_I says: 0x6C of LSM6DSO and LSM6DSOX, 0x6B of LSM6DSR and ISM330DHCX.
    uint8_t identity;
    // Of both sensors and of the FIFO, as registers hold it: 1 to 10 for 12.5, 26, 52, 104, 208,
    // 416, 833, 1666, 3332 and 6667 samples a second.
    uint8_t rate;
    // Values of a sample: 6, acceleration and then angular rate of x, y and z; or 3, acceleration
    // alone, which leaves the gyroscope off.
    uint8_t channels;
} tk_lsm6dsx_params;

typedef struct {
    // The sample that is being put together.
    int16_t sample[TK_LSM6DSX_CHANNELS];
    // Which halves of it are there: bit 0 acceleration, bit 1 angular rate; and their time slot as
    // the FIFO's tags count it, 0 to 3.
    uint8_t have, slot;
} tk_lsm6dsx_state;

// Resets the sensor and starts it; what it held is lost.
tk_sensor_status tk_lsm6dsx_start(const tk_bus *bus, const tk_lsm6dsx_params *params,
                                  tk_lsm6dsx_state *state);

// Takes samples out of the FIFO, as many as there are and `room` allows, and counts them in
// `taken`. After TK_SENSOR_ERR_OVERRUN some are missing: start again.
tk_sensor_status tk_lsm6dsx_read(const tk_bus *bus, const tk_lsm6dsx_params *params,
                                 tk_lsm6dsx_state *state, int16_t *samples, size_t room,
                                 size_t *taken);

#endif
