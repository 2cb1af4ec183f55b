// SPDX-License-Identifier: Apache-2.0
// Check sums: CRC-32 as zlib computes it for tensors, CRC-16/CCITT-FALSE for UART records.
#ifndef TINYKIT_CRC_H
#define TINYKIT_CRC_H

#include <stddef.h>
#include <stdint.h>

// Start values.
#define TK_CRC32_INIT 0u
#define TK_CRC16_INIT 0xFFFFu

// Continues the CRC-32 `crc` (reflected polynomial 0xEDB88320) over `size` bytes.
uint32_t tk_crc32(uint32_t crc, const void *data, size_t size);

// Continues the CRC-16 `crc` (polynomial 0x1021, most significant bit first) by one byte.
uint16_t tk_crc16(uint16_t crc, uint8_t byte);

#endif
