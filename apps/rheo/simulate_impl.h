/* Private to simulate_file.c, which makes rows, and simulate_write.c, which writes them. */
#pragma once
#include "verb.h"
#include <io/journal.h>

typedef struct {
  Run *run;
  const Study *study;
  RheoSimulateConfig config;
  uint64_t seed;
  const char *folder;
  RheoJournal journal;
  int64_t n_ranges;
  const RheoRowRange *range; /* the rows that this rank is to simulate */
  int64_t n, done, kept;     /* how many, how many of them are simulated, how many in the journal */
  int64_t base, capacity;    /* those in memory are number base and what follows, up to as many */
  double *theta, *x;         /* (capacity, d), (capacity, c) */
  int8_t *status;
  PetscBool in_memory; /* this rank's share of the table is; otherwise all rows are in the journal */
  char (*message)[256];
} Work;

/* A row of the journal: parameters, data, status. */
static inline int RowWidth(const Work *w)
{
  return w->study->d + w->study->c + 1;
}

/* Rows of the journal that are held at once on the way. */
int64_t RowsOnTheWay(const Work *w);

/* The data set of the rows of w, with this rank's share begin .. end - 1, at path. What failed is said first; where all did, it
 * is the user's mistake and nothing is written. Collective. */
PetscErrorCode SimulationsWrite(Work *w, int64_t begin, int64_t end, const char *path);
