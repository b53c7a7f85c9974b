/* Whatever an objective trains, made from a deck's sections, with rows to train it on. */
#pragma once
#include "check.h"
#include "train/train.h"

typedef struct {
  const char *objective, *section; /* the section that holds the model: `flow`, `cnf` or `net` */
  int n_features;                  /* D; the context is one number, and the source has as many features */
  int64_t n, n_source;             /* rows of the training set, and of the source for `cnf.source: data` */
  int n_classes;                   /* the context is one of 0, 1, .. */
  double scale, offset;            /* a feature is scale * (context + offset + a normal number) */
  int bounded;                     /* whether the flow has bounds, which no row meets */
} DeckModelKind;

typedef struct {
  DeckModelKind kind;
  RheoFlow flow;
  RheoCnf cnf;
  RheoNetConfig net;
  RheoObjectiveModel model;
  const RheoObjectiveType *type;
  float *x, *y, *weight, *source;
  RheoRows rows, origin;
  RheoParams params;
  float *values; /* (P), as they were drawn, then as they were trained */
} DeckModel;

/* Reads the section of the model only; seed draws rows and parameters. Not collective. */
void DeckModelCreate(RheoDeck deck, const DeckModelKind *kind, uint64_t seed, DeckModel *m);
void DeckModelDestroy(DeckModel *m);
/* A trainer that is complete up to its configuration. Collective on comm. */
void DeckModelTrainer(MPI_Comm comm, DeckModel *m, uint64_t seed, RheoTrainer *trainer);
/* Of parameters, optimiser state and history. Collective. */
uint64_t DeckModelChecksum(const DeckModel *m, RheoTrainer trainer);

/* Communicators of the first sizes[k] ranks, MPI_COMM_NULL on the others; the largest must be what there is. Collective on
 * PETSC_COMM_WORLD. */
void SubsetsCreate(int n, const int *sizes, MPI_Comm *subset);
void SubsetsDestroy(int n, MPI_Comm *subset);
