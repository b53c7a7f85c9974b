#include "checksum.h"

uint64_t RheoChecksum(uint64_t start, const void *data, size_t n_bytes)
{
  const unsigned char *byte = data;
  uint64_t hash = start;
  for (size_t i = 0; i < n_bytes; ++i) hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
  return hash;
}
