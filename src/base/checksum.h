/* 64-bit checksums (FNV-1a). To see that two results are the same, not to resist an adversary. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define RHEO_CHECKSUM_START UINT64_C(14695981039346656037)
uint64_t RheoChecksum(uint64_t start, const void *data,
                      size_t n_bytes); /* chain by passing the last result */
