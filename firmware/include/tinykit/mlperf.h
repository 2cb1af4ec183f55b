// SPDX-License-Identifier: Apache-2.0
// The serial protocol of MLPerf Tiny (EEMBC's ulp-mlperf): commands that end in '%', answers in
// lines, and "m-ready" after each command. The benchmark's runner loads an input with `db`, runs it
// with `infer` and reads the results.
#ifndef TINYKIT_MLPERF_H
#define TINYKIT_MLPERF_H

#include <stddef.h>
#include <stdint.h>

#include "tinykit/status.h"

// What the protocol drives.
typedef struct {
    // The benchmark's name of the model, such as "kws01": the runner picks its script by it.
    const char *model;
    // 0: a timestamp is a line with microseconds (performance mode). 1: it is a pulse on a pin, for
    // a power monitor (energy mode).
    int energy;
    // Where `db` puts the bytes of one input, and how many there are.
    uint8_t *buffer;
    size_t bytes;
    // Called once before the inferences of a command, outside what is timed; null for nothing.
    void (*prepare)(void);
    // One inference of what the buffer holds. It leaves the buffer as it is.
    tk_status (*infer)(void);
    // Called once after them, likewise; null for nothing.
    void (*conclude)(void);
    // Sends the numbers of the last inference, with commas between them.
    void (*results)(void);
    // CRC-32 of the last inference's output integers.
    uint32_t (*fingerprint)(void);
} tk_mlperf_device;

// Answers commands until the line is closed, which only the host's ever is.
_Noreturn void tk_mlperf_serve(const tk_mlperf_device *device);

// What is sent for a real number: three decimals, as "%.3f" of C prints a float. From 2^32 on it is
// "inf". Only integers are computed with.
//
// The float that is `scale * steps` rounded to single precision; `scale` is the bits of a normal,
// positive IEEE 754 single, |steps| < 256.
void tk_mlperf_say_scaled(uint32_t scale, int32_t steps);
// The float of these bits.
void tk_mlperf_say_single(uint32_t bits);

// scale * (values[i] - zero_point), for all i, with commas between.
void tk_mlperf_say_scores(const int8_t *values, size_t count, uint32_t scale, int32_t zero_point);

// Bytes of 0 to 255, as pixels come, to integers of -128 to 127.
void tk_mlperf_centre(const uint8_t *pixels, int8_t *out, size_t count);

// For the anomaly detector, whose inputs are singles: out = round(x / scale) + zero_point, clamped.
// Computed in single precision, as the benchmark's reference does on the device.
void tk_mlperf_quantize(const float *x, int8_t *out, size_t count, float scale, int32_t zero_point);

// The mean squared error of what the autoencoder made of its input x, in single precision and in
// the order of the benchmark's reference; returns the bits of the float.
uint32_t tk_mlperf_error(const float *x, const int8_t *made, size_t count, float scale,
                         int32_t zero_point);

#endif
