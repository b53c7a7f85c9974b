/* Private to src/infer: what a transport holds. */
#pragma once
#include "density_impl.h"
#include "training.h"
#include "transport.h"

struct RheoTransport_ {
  MPI_Comm comm;
  RheoDeck deck;
  PetscBool owns_deck;
  uint64_t seed;
  RheoDataSet target, source; /* source NULL: noise */
  PetscBool continuous;
  RheoDensity density;
  RheoSolveConfig solve;
  RheoTraining training;
};
