// SPDX-License-Identifier: Apache-2.0
// Places in the program that an emulator watches to count instructions between them.
//
// Each is a global function that is called and does nothing: its address is the mark. A count is
// taken at the first instruction of each, so the call and return of one mark are in every count.
#ifndef TINYKIT_MARKS_H
#define TINYKIT_MARKS_H

// Before the first layer of an inference.
void tk_mark_begin(void);

// After each layer that executes code.
void tk_mark_layer(void);

// Around one call that pushes samples into the front end.
void tk_mark_frontend_begin(void);
void tk_mark_frontend_end(void);

// Before and after a timestamp of a benchmark.
void tk_mark_timestamp(void);

// Once a sensor has been started: what it says from here on counts.
void tk_mark_sampling(void);

#endif
