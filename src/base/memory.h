/* Memory for arrays that kernels work on. */
#pragma once
#include <stddef.h>

/* `bytes` bytes (one, if 0) that begin with a line of the cache. Not initialised; NULL where there is no room. To be freed with
 * free. */
void *RheoAligned(size_t bytes);
