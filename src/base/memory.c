#include "memory.h"
#include <stdlib.h>

enum { LINE = 64 };

void *RheoAligned(size_t bytes)
{
  void *memory;
  return posix_memalign(&memory, LINE, bytes ? bytes : 1) ? NULL : memory;
}
