/* t itself; E = 1. */
#include "../cnf_impl.h"

static RheoVal embed(RheoVal t, int frequencies)
{
  (void)frequencies;
  return t;
}

const RheoEmbeddingType RheoEmbeddingType_Raw = {
    .name = "raw",
    .summary = "t itself",
    .reference = "-",
    .embed = embed,
};
