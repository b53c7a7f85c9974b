/* A neural posterior of a study in inputs/, trained on fresh simulations, for tests of science. */
#pragma once
#include "check.h"
#include "infer/posterior.h"

typedef struct {
  RheoDeck deck;
  RheoSimulator simulator;
  RheoPosterior posterior;
  int d, c;
} NpeStudy;

/* deck: below RHEO_SOURCE/inputs; set: keys and values in turn that win over it, NULL at the end; n simulations. */
void NpeStudyTrain(const char *deck, const char *const *set, int64_t n, NpeStudy *study);
void NpeStudyDestroy(NpeStudy *study);
