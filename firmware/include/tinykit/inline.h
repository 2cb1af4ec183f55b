// SPDX-License-Identifier: Apache-2.0
// Kernels are bodies that each file completes with its constants; they must be inlined for the
// compiler to see those.
#ifndef TINYKIT_INLINE_H
#define TINYKIT_INLINE_H

#define TK_INLINE static inline __attribute__((always_inline))

#endif
