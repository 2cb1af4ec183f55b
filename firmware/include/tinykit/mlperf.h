// SPDX-License-Identifier: Apache-2.0
// The serial protocol of MLPerf Tiny (EEMBC's ulp-mlperf): commands that end in '%', answers in
// lines, and "m-ready" after each command. The benchmark's runner loads an input with `db`, runs it
// with `infer` and reads the results.
#ifndef TINYKIT_MLPERF_H
#define TINYKIT_MLPERF_H

#include <stddef.h>
#include <stdint.h>

#include "tinykit/status.h"

typedef struct tk_mlperf_device tk_mlperf_device;

// What the protocol drives.
struct tk_mlperf_device {
    // The benchmark's name of the model, such as "kws01": the runner picks its script by it.
    const char *model;
    // 0: a timestamp is a line with microseconds (performance mode). 1: it is a pulse on a pin, for
    // a power monitor (energy mode).
    int energy;
    // Where `db` puts the bytes of one input, and how many there are.
    uint8_t *buffer;
    size_t bytes;
    // Integers of the input, where it comes as something else that is made integers beforehand.
    int8_t *features;
    // Integers of the last output.
    int8_t *outputs;
    // The reals of input and output are scale * (q - zero point).
    float in_scale, out_scale;
    int32_t in_zero_point, out_zero_point;
    // Called once before the inferences of a command, outside what is timed; null for nothing.
    void (*prepare)(const tk_mlperf_device *device);
    // One inference of what was loaded, to the outputs. It leaves its input as it is.
    tk_status (*infer)(const tk_mlperf_device *device);
    // Called once after them, also where one failed; leaves the buffer as it was loaded. Null for
    // nothing.
    void (*conclude)(const tk_mlperf_device *device);
    // Sends the numbers of the last inference, with commas between them.
    void (*results)(const tk_mlperf_device *device);
};

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

// Of a device whose results are scores: the real of each output, with commas between.
void tk_mlperf_say_scores(const tk_mlperf_device *device);

// Of a device whose input comes as the network's integers.
tk_status tk_mlperf_infer_integers(const tk_mlperf_device *device);

// Makes bytes of 0 to 255, as pixels come, the integers -128 to 127 in their place, and back.
void tk_mlperf_flip(const tk_mlperf_device *device);

// Of the anomaly detector, whose input comes as singles. Its two borders with real numbers are
// computed in single precision, as the benchmark's reference does on the device.
//
// Quantizes what was loaded: round(x / scale) + zero point, clamped.
void tk_mlperf_quantize(const tk_mlperf_device *device);
tk_status tk_mlperf_infer_quantized(const tk_mlperf_device *device);
// The mean squared error of what the autoencoder made of its input, in the order of the benchmark's
// reference; and what is sent of it.
void tk_mlperf_compare(const tk_mlperf_device *device);
void tk_mlperf_say_error(const tk_mlperf_device *device);

#endif
