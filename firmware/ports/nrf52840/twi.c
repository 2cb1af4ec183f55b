// SPDX-License-Identifier: Apache-2.0
// I2C by TWI0, polled, at 400 kHz.
#include "bare.h"
#include "tinykit/sensor.h"

#define GPIO_PIN_CNF(pin) TK_REG32(0x50000700u + 4u * (pin))
#define TWI_STARTRX TK_REG32(0x40003000u)
#define TWI_STARTTX TK_REG32(0x40003008u)
#define TWI_STOP TK_REG32(0x40003014u)
#define TWI_RESUME TK_REG32(0x40003020u)
#define TWI_STOPPED TK_REG32(0x40003104u)
#define TWI_RXDREADY TK_REG32(0x40003108u)
#define TWI_TXDSENT TK_REG32(0x4000311Cu)
#define TWI_ERROR TK_REG32(0x40003124u)
#define TWI_SHORTS TK_REG32(0x40003200u)
#define TWI_ERRORSRC TK_REG32(0x400034C4u)
#define TWI_ENABLE TK_REG32(0x40003500u)
#define TWI_PSELSCL TK_REG32(0x40003508u)
#define TWI_PSELSDA TK_REG32(0x4000350Cu)
#define TWI_RXD TK_REG32(0x40003518u)
#define TWI_TXD TK_REG32(0x4000351Cu)
#define TWI_FREQUENCY TK_REG32(0x40003524u)
#define TWI_ADDRESS TK_REG32(0x40003588u)

#define FREQUENCY_400K 0x06680000u
// At the end of a byte: hold the clock until the byte has been taken, or end.
#define BB_SUSPEND 1u
#define BB_STOP 2u
#define ERROR_FLAGS 7u
// Input connected, pulled up, drives low only.
#define PIN_OPEN_DRAIN (3u << 2 | 6u << 8)

#if !defined(TK_PIN_SCL)
#define TK_PIN_SCL 27u
#endif
#if !defined(TK_PIN_SDA)
#define TK_PIN_SDA 26u
#endif

static void enable(uint8_t device)
{
    if (TWI_ENABLE == 0) {
        GPIO_PIN_CNF(TK_PIN_SCL) = PIN_OPEN_DRAIN;
        GPIO_PIN_CNF(TK_PIN_SDA) = PIN_OPEN_DRAIN;
        TWI_PSELSCL = TK_PIN_SCL;
        TWI_PSELSDA = TK_PIN_SDA;
        TWI_FREQUENCY = FREQUENCY_400K;
        TWI_ENABLE = 5u;
    }
    TWI_ADDRESS = device;
    TWI_ERROR = 0;
    TWI_STOPPED = 0;
    TWI_RXDREADY = 0;
}

// Waits for an event; 0 if it came, and was the one that was waited for.
static int wait_for(volatile uint32_t *event)
{
    for (uint32_t turns = TK_PATIENCE; turns != 0 && TWI_ERROR == 0; --turns) {
        if (*event != 0) {
            *event = 0;
            return 0;
        }
    }
    return 1;
}

static int send(const uint8_t *bytes, size_t count)
{
    TWI_SHORTS = 0;
    TWI_STARTTX = 1u;
    for (size_t i = 0; i < count; ++i) {
        TWI_TXDSENT = 0;
        TWI_TXD = bytes[i];
        if (wait_for(&TWI_TXDSENT) != 0) {
            return 1;
        }
    }
    return 0;
}

// The shortcut for the last byte is set before that byte is let in.
static int receive(uint8_t *bytes, size_t count)
{
    TWI_SHORTS = count == 1 ? BB_STOP : BB_SUSPEND;
    TWI_STARTRX = 1u;
    for (size_t i = 0; i < count; ++i) {
        if (wait_for(&TWI_RXDREADY) != 0) {
            return 1;
        }
        bytes[i] = (uint8_t)TWI_RXD;
        if (i + 2 == count) {
            TWI_SHORTS = BB_STOP;
        }
        if (i + 1 < count) {
            TWI_RESUME = 1u;
        }
    }
    return 0;
}

int tk_port_i2c_transfer(uint8_t device, const uint8_t *out, size_t out_count, uint8_t *in,
                         size_t in_count)
{
    enable(device);
    int failed = out_count != 0 ? send(out, out_count) : 0;
    if (failed == 0 && in_count != 0) {
        failed = receive(in, in_count);
    }
    if (failed != 0 || in_count == 0) {
        TWI_SHORTS = 0;
        TWI_STOP = 1u;
    }
    // After an error, too, the bus is let go; the event of the stop says nothing more.
    TWI_ERROR = 0;
    const int held = wait_for(&TWI_STOPPED);
    TWI_ERRORSRC = ERROR_FLAGS;
    return failed | held;
}
