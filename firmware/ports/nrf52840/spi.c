// SPDX-License-Identifier: Apache-2.0
// SPI2, polled, at 4 MHz, mode 3 (clock idle high, sampled at its second edge).
#include <stdbool.h>

#include "bare.h"
#include "tinykit/sensor.h"

#define GPIO_OUTSET TK_REG32(0x50000508u)
#define GPIO_OUTCLR TK_REG32(0x5000050Cu)
#define GPIO_DIRSET TK_REG32(0x50000518u)
#define GPIO_PIN_CNF(pin) TK_REG32(0x50000700u + 4u * (pin))
#define SPI_READY TK_REG32(0x40023108u)
#define SPI_ENABLE TK_REG32(0x40023500u)
#define SPI_PSELSCK TK_REG32(0x40023508u)
#define SPI_PSELMOSI TK_REG32(0x4002350Cu)
#define SPI_PSELMISO TK_REG32(0x40023510u)
#define SPI_RXD TK_REG32(0x40023518u)
#define SPI_TXD TK_REG32(0x4002351Cu)
#define SPI_FREQUENCY TK_REG32(0x40023524u)
#define SPI_CONFIG TK_REG32(0x40023554u)

#define FREQUENCY_4M 0x40000000u
#define MODE_3 6u
#define PIN_INPUT 0u

#if !defined(TK_PIN_SCK)
#define TK_PIN_SCK 28u
#endif
#if !defined(TK_PIN_MOSI)
#define TK_PIN_MOSI 29u
#endif
#if !defined(TK_PIN_MISO)
#define TK_PIN_MISO 30u
#endif
#if !defined(TK_PIN_CS)
#define TK_PIN_CS 31u
#endif

static void enable(void)
{
    if (SPI_ENABLE != 0) {
        return;
    }
    GPIO_OUTSET = 1u << TK_PIN_CS | 1u << TK_PIN_SCK;
    GPIO_DIRSET = 1u << TK_PIN_CS | 1u << TK_PIN_SCK | 1u << TK_PIN_MOSI;
    GPIO_PIN_CNF(TK_PIN_MISO) = PIN_INPUT;
    SPI_PSELSCK = TK_PIN_SCK;
    SPI_PSELMOSI = TK_PIN_MOSI;
    SPI_PSELMISO = TK_PIN_MISO;
    SPI_FREQUENCY = FREQUENCY_4M;
    SPI_CONFIG = MODE_3;
    SPI_ENABLE = 1u;
}

// Sends a byte and takes the one that comes for it; whether it could.
static bool exchange(uint8_t out, uint8_t *in)
{
    SPI_READY = 0;
    SPI_TXD = out;
    for (uint32_t turns = TK_PATIENCE; turns != 0; --turns) {
        if (SPI_READY != 0) {
            *in = (uint8_t)SPI_RXD;
            return true;
        }
    }
    return false;
}

// There is one chip select, TK_PIN_CS, whatever `device` says.
int tk_port_spi_transfer(uint8_t device, const uint8_t *out, size_t out_count, uint8_t *in,
                         size_t in_count)
{
    uint8_t unused;
    bool good = true;
    (void)device;
    enable();
    GPIO_OUTCLR = 1u << TK_PIN_CS;
    for (size_t i = 0; i < out_count && good; ++i) {
        good = exchange(out[i], &unused);
    }
    for (size_t i = 0; i < in_count && good; ++i) {
        good = exchange(0, &in[i]);
    }
    GPIO_OUTSET = 1u << TK_PIN_CS;
    return good ? 0 : 1;
}
