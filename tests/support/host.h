/* What tests of the interface for hosts share: a simulation, a deck for it, and ways to look at codes and files. */
#pragma once
#include "check.h"
#include "infer/posterior.h"
#include "rheo_embed.h"
#include <stdio.h>
#include <string.h>

enum { D = 2, C = 3, N = 400 };

#define HOST_PRIOR "prior: {a: {family: normal, mean: 1, sd: 2}, b: {family: gamma, shape: 2, rate: 1}}\n"
/* of_run: further keys of `train`, ", " before each. */
#define HOST_DECK(of_run)                                                                                    \
  "seed: 3\n" HOST_PRIOR "flow: {stack: [rqs_coupling, lu], repeat: 2, rqs_coupling: {bins: 6, bound: 4},\n" \
  "  net: {type: resmlp, hidden: 16, layers: 1, context: glu}}\n"                                            \
  "train: {batch: 50, epochs: 3, shards: 4" of_run "}\n"
/* What says how a run goes is no part of a model. */
#define HOST_DECK_OF_RUN                                                                                     \
  HOST_DECK(", checkpoint: 3, restart: no, time_limit: 60, series: no")                                      \
  "simulate: {keep_every: 3, restart: no}\n"
extern const double HostObserved[C];

/* In a test: the call returns RHEO_DONE. */
#define DONE(call)                                                                                           \
  do {                                                                                                       \
    const int done_ = (call);                                                                                \
    if (done_) fail_msg("%s: %d: %s", #call, done_, rheo_error());                                           \
  } while (0)
/* In a test: the call returns code, and the message contains text. */
#define FAILS(call, code, text)                                                                              \
  do {                                                                                                       \
    assert_int_equal((call), code);                                                                          \
    if (!strstr(rheo_error(), text)) fail_msg("%s: '%s' does not say '%s'", #call, rheo_error(), text);      \
  } while (0)
#define MISTAKE(call, text) FAILS(call, RHEO_INPUT, text)

int HostHandle(MPI_Comm comm);
int HostWorld(void); /* of all ranks */
int HostRank(MPI_Comm comm, int *size);

/* A simulation as a pure function of its index. */
void HostSimulate(int64_t i, double theta[D], double x[C]);

/* Rank 0 writes; the others wait for it. */
void HostWriteDeck(const char *path, const char *text);

/* A model trained on theta (n, D), x (n, C) by all ranks, written to path, the deck beside it. The deck is not destroyed, for a
 * model borrows it. */
RheoPosterior HostTrained(const char *text, int64_t n, const double *theta, const double *x,
                          const char *path);

/* In a test: both are there, longer than 1000 bytes, and the same. */
void HostSameFiles(const char *one, const char *other);
