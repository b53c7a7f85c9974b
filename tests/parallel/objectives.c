/* Every objective and coupling of the tables, with everything in training that has state, gives the same parameters, optimiser state and
 * history on 1, 2, 3, 4 and 8 ranks. One job of eight ranks takes subsets of itself. options.c has
 * what a deck can say besides. ranks: 8 timeout: 300 */
#include "check.h"
#include "deck_model.h"
#include "train/checkpoint.h"
#include <stdio.h>
#include <string.h>

enum { N = 480, N_SOURCE = 100, D = 2, CLASSES = 3, SEED = 3, SHARDS = 8, BATCH = 64 };

static const int sizes[] = {1, 2, 3, 4, 8};
enum { SIZES = sizeof sizes / sizeof *sizes };

typedef struct {
  const char *objective, *section, *text; /* the deck's section, `flow`, `cnf` or `net` */
} Case;

static const Case cases[] = {
    {"nll", "flow",
     "stack: [actnorm, rqs_coupling, lu], repeat: 2, net: {type: resmlp, hidden: 16, dropout: 0.2}"},
    {"nll", "flow", "stack: [maf], repeat: 2, net: {hidden: 16}"},
    {"mse", "net", "type: mlp, hidden: 16, layers: 2, dropout: 0.1"},
    {"cross_entropy", "net", "type: resmlp, hidden: 16, layers: 1"},
    {"cfm", "cnf", "coupling: independent, times_draw: antithetic, dropout: 0.3"},
    {"cfm", "cnf", "coupling: exact, coupling_batch: 128"},
    {"cfm", "cnf", "coupling: sinkhorn, path: sb, sigma: 1"},
    {"cfm", "cnf", "coupling: c2ot"},
    {"cfm", "cnf", "coupling: weighted, source: data, shift: both"},
    {"contrastive_fm", "cnf", "dropout: 0.3"},
    {"cnf_nll", "cnf",
     "likelihood: {scheme: rk4, steps: 3, kinetic: 0.01, jacobian: 0.01, divergence: rademacher}"},
    {"cnf_nll", "cnf", "likelihood: {rtol: 1e-2, atol: 1e-2, end_time: learned}"},
};
enum { CASES = sizeof cases / sizeof *cases };

static void Create(const Case *c, DeckModel *m)
{
  const DeckModelKind kind = {.objective = c->objective,
                              .section = c->section,
                              .n_features = D,
                              .n = N,
                              .n_source = N_SOURCE,
                              .n_classes = CLASSES,
                              .scale = 1};
  char text[512];
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  snprintf(text, sizeof text, "%s: {%s}\n", c->section, c->text);
  OK(RheoDeckLoadText(deck, "case", text));
  DeckModelCreate(deck, &kind, SEED, m);
  OK(RheoDeckDestroy(&deck));
}

static uint64_t Checksum(RheoTrainer trainer, const DeckModel *m)
{
  const RheoHistory *h;
  OK(RheoTrainerGetHistory(trainer, &h));
  assert_int_equal(h->n, 3);
  return DeckModelChecksum(m, trainer);
}

/* ---- Stopped in the middle of an epoch, and of a group that is coupled ---- */
enum { NOT_SAVED = -1, TO_THE_END = 0, STOP_AT = 8 };

static PetscBool IsAsked(void *context)
{
  return (PetscBool)(--*(int64_t *)context == 0);
}

/* 0 where it is stopped. */
static uint64_t RunTo(RheoTrainer trainer, const DeckModel *m, int64_t stop_at)
{
  if (stop_at != NOT_SAVED) {
    const RheoSafeguard guard = {.config = {.keep = 1, .restart = PETSC_TRUE},
                                 .folder = "parallel_objectives",
                                 .asked = IsAsked,
                                 .context = &stop_at};
    OK(RheoTrainerSetSafeguard(trainer, &guard, NULL));
  }
  if (stop_at <= 0) {
    OK(RheoTrainerRun(trainer));
    return Checksum(trainer, m);
  }
  RheoErrorSetQuiet(PETSC_TRUE);
  assert_int_equal(RheoTrainerRun(trainer), RHEO_STOPPED);
  RheoErrorSetQuiet(PETSC_FALSE);
  return 0;
}

static uint64_t Train(MPI_Comm comm, const Case *c, int64_t stop_at)
{
  RheoTrainConfig config;
  RheoTrainer trainer;
  DeckModel m;
  Create(c, &m);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = BATCH;
  config.shards = SHARDS;
  config.epochs = 3;
  config.schedule = RHEO_SCHEDULE_COSINE;
  config.warmup = 3;
  config.lr = 1e-2;
  config.clip = 1;
  config.decay = 0.01;
  config.ema = 0.9;
  config.validation = 0.2;
  DeckModelTrainer(comm, &m, SEED, &trainer);
  OK(RheoTrainerSetConfig(trainer, &config));
  const uint64_t sum = RunTo(trainer, &m, stop_at);
  OK(RheoTrainerDestroy(&trainer));
  DeckModelDestroy(&m);
  return sum;
}

static void SameBits(void **state)
{
  MPI_Comm subset[SIZES]; /* MPI_COMM_NULL where this rank has no part */
  uint64_t sum[SIZES], before[CASES];
  (void)state;
  SubsetsCreate(SIZES, sizes, subset);
  for (int i = 0; i < CASES; i++) {
    for (int k = 0; k < SIZES; k++) {
      sum[k] = subset[k] != MPI_COMM_NULL ? Train(subset[k], &cases[i], NOT_SAVED) : 0;
      MPI_Bcast(&sum[k], 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD);
      if (sum[k] != sum[0])
        fail_msg("%s of {%s}: %016llx on %d ranks, %016llx on one", cases[i].objective, cases[i].text,
                 (unsigned long long)sum[k], sizes[k], (unsigned long long)sum[0]);
    }
    /* A run on all ranks that is stopped and goes on with fewer. */
    Train(PETSC_COMM_WORLD, &cases[i], STOP_AT);
    const int fewer = i % (SIZES - 1);
    if (subset[fewer] != MPI_COMM_NULL && Train(subset[fewer], &cases[i], TO_THE_END) != sum[0])
      fail_msg("%s of {%s}: other bits after a restart on %d ranks", cases[i].objective, cases[i].text,
               sizes[fewer]);
    OK(RheoCheckpointsRemove(PETSC_COMM_WORLD, "parallel_objectives"));
    before[i] = sum[0];
    for (int j = 0; j < i; j++) assert_true(before[j] != before[i]); /* the checksum sees something */
  }
  SubsetsDestroy(SIZES, subset);
}

/* A new objective or coupling fails here until there is a case for it. */
static void NothingIsLeftOut(void **state)
{
  (void)state;
  for (int k = 0; RheoObjectiveTypes[k]; k++) {
    int found = 0;
    for (int i = 0; i < CASES; i++) found |= !strcmp(cases[i].objective, RheoObjectiveTypes[k]->name);
    if (!found) fail_msg("no case for the objective %s", RheoObjectiveTypes[k]->name);
  }
  for (int k = 0; RheoCouplingTypes[k]; k++) {
    int found = 0;
    char text[64];
    snprintf(text, sizeof text, "coupling: %s", RheoCouplingTypes[k]->name);
    for (int i = 0; i < CASES; i++) found |= strstr(cases[i].text, text) != NULL;
    if (!found) fail_msg("no case for the coupling %s", RheoCouplingTypes[k]->name);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(NothingIsLeftOut), cmocka_unit_test(SameBits)};
  return RUN_TESTS(argc, argv, tests);
}
