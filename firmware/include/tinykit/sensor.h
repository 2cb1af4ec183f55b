// SPDX-License-Identifier: Apache-2.0
// What drivers of sensors share: how they end, and the bus that they reach a sensor's registers by.
#ifndef TINYKIT_SENSOR_H
#define TINYKIT_SENSOR_H

#include <stddef.h>
#include <stdint.h>

// The one list of a driver's status codes. Apart from tinykit/status.h, so that firmware without a
// sensor carries none of these texts.
#define TK_SENSOR_STATUS_LIST(X)                                                                   \
    X(TK_SENSOR_OK, 0, "ok")                                                                       \
    X(TK_SENSOR_ERR_BUS, -1, "the sensor does not answer")                                         \
    X(TK_SENSOR_ERR_IDENTITY, -2, "another sensor answers")                                        \
    X(TK_SENSOR_ERR_RESET, -3, "the sensor does not come out of its reset")                        \
    X(TK_SENSOR_ERR_OVERRUN, -4, "samples were read too late and are lost")

typedef enum {
#define TK_SENSOR_STATUS_ENUM(name, value, text) name = (value),
    TK_SENSOR_STATUS_LIST(TK_SENSOR_STATUS_ENUM)
#undef TK_SENSOR_STATUS_ENUM
} tk_sensor_status;

// The text of a status; never null.
const char *tk_sensor_status_text(tk_sensor_status status);

// A bus to registers of 8 bits that are numbered and follow one another. `device` is the address of
// a sensor on I2C, 7 bits, and its chip select on SPI.
typedef struct {
    // A port's function: see below.
    int (*transfer)(uint8_t device, const uint8_t *out, size_t out_count, uint8_t *in,
                    size_t in_count);
    // What is added to a register's number to read it.
    uint8_t read_flag;
} tk_bus;

// By tk_port_i2c_transfer.
extern const tk_bus tk_bus_i2c;
// By tk_port_spi_transfer; bit 7 of the first byte says whether to read.
extern const tk_bus tk_bus_spi;

// Reads `count` registers, at least 1, from number `first` on.
tk_sensor_status tk_bus_read(const tk_bus *bus, uint8_t device, uint8_t first, uint8_t *values,
                             size_t count);
// Writes one register.
tk_sensor_status tk_bus_write(const tk_bus *bus, uint8_t device, uint8_t number, uint8_t value);

// Ports that have such a bus implement its transfer, and tk_port_sleep; port.h has the rest.

// Sends `out_count` bytes to the device, then, after a repeated start, takes `in_count` bytes from
// it; either count may be 0. Returns 0, or another number where nothing acknowledges.
int tk_port_i2c_transfer(uint8_t device, const uint8_t *out, size_t out_count, uint8_t *in,
                         size_t in_count);

// Selects the device, sends `out_count` bytes, then takes `in_count` bytes. Returns 0 if it could.
int tk_port_spi_transfer(uint8_t device, const uint8_t *out, size_t out_count, uint8_t *in,
                         size_t in_count);

// Lets the core sleep for so many microseconds, at most a second, to within a tick of its clock.
void tk_port_sleep(uint32_t micros);

#endif
