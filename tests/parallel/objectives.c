/* Every objective of the table, with everything in training that has state, gives the same parameters, optimiser state and
 * history on 1, 2, 3, 4 and 8 ranks. One job of eight ranks takes subsets of itself. ranks: 8 timeout: 300 */
#include "base/checksum.h"
#include "base/random.h"
#include "check.h"
#include "train/checkpoint.h"
#include "train/train.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 480, N_SOURCE = 100, D = 2, C = 1, CLASSES = 3, SEED = 3, SHARDS = 8, BATCH = 64 };

static float x[N * D], y[N * C], weight[N], source[N_SOURCE * D];
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

static void MakeRows(void)
{
  for (uint64_t i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(SEED, RHEO_STREAM_TEST, 0, i);
    y[i] = (float)(i % CLASSES);
    weight[i] = 0.5F * (float)(1 + i % 4);
    for (uint64_t k = 0; k < D; k++) x[i * D + k] = y[i] + (float)RheoStreamNormal(&stream);
    for (uint64_t k = 0; k < D && i < N_SOURCE; k++)
      source[i * D + k] = (float)(5 + 2 * RheoStreamUniform(&stream));
  }
}

typedef struct {
  RheoFlow flow;
  RheoCnf cnf;
  RheoNetConfig net;
  RheoObjectiveModel model;
  const RheoObjectiveType *type;
  RheoRows rows;
  RheoParams params;
  float *values;
} Model;

static void Configure(const Case *c, Model *m)
{
  char text[512];
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  snprintf(text, sizeof text, "%s: {%s}\n", c->section, c->text);
  OK(RheoDeckLoadText(deck, "case", text));
  m->model = (RheoObjectiveModel){0};
  if (!strcmp(c->section, "flow")) {
    OK(RheoFlowCreate(&m->flow));
    OK(RheoFlowSetFromDeck(m->flow, deck, "flow"));
    OK(RheoFlowSetSizes(m->flow, D, C));
    OK(RheoFlowSetUp(m->flow));
    m->model.flow = m->flow;
  } else if (!strcmp(c->section, "cnf")) {
    OK(RheoCnfCreate(&m->cnf));
    OK(RheoCnfSetFromDeck(m->cnf, deck, "cnf"));
    OK(RheoCnfSetSizes(m->cnf, D, C));
    OK(RheoCnfSetUp(m->cnf));
    m->model.cnf = m->cnf;
  } else {
    OK(RheoDeckRead(deck, "net", RheoNetKeys, &m->net));
    m->model.net = &m->net;
    m->model.n_out = strcmp(c->objective, "mse") ? CLASSES : C;
  }
  OK(RheoDeckDestroy(&deck));
}

/* Rows, and the parameters that the loss names. */
static void Layout(const Case *c, Model *m)
{
  RheoVal column[RHEO_TRAIN_COLUMNS + 1];
  RheoProgram program;
  OK(RheoObjectiveFind(c->objective, &m->type));
  m->rows = (RheoRows){.n = N, .weight = weight};
  OK(RheoParamsCreate(&m->params));
  OK(RheoProgramCreate(BATCH, &program));
  for (int k = 0; m->type->columns[k]; k++) {
    const int first = k == 0;
    m->rows.name[k] = m->type->columns[k];
    m->rows.width[k] = first ? D : C;
    m->rows.value[k] = first ? x : y;
    m->rows.n_columns = k + 1;
    column[k] = rx_rows(program, m->rows.name[k], m->rows.width[k]);
  }
  const int given = m->type->stage ? m->type->stage->width(&m->model) : 0;
  if (given) column[m->rows.n_columns] = rx_rows(program, "given", given);
  m->type->loss(rx_enter(RheoScopeRoot(program, m->params, 1), "model"), &m->model, column);
  if (RheoProgramError(program)) fail_msg("%s: %s", c->objective, RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
  const size_t bytes = (RheoParamsSize(m->params) * sizeof(float) + 63) / 64 * 64;
  m->values = aligned_alloc(64, bytes);
  OK(RheoParamsInit(m->params, SEED, m->values));
}

static void Destroy(Model *m)
{
  OK(RheoFlowDestroy(&m->flow));
  OK(RheoCnfDestroy(&m->cnf));
  OK(RheoParamsDestroy(&m->params));
  free(m->values);
}

static uint64_t Checksum(RheoTrainer trainer, const Model *m)
{
  const size_t n = RheoParamsSize(m->params);
  float *moment = malloc(2 * n * sizeof *moment);
  const RheoHistory *h;
  int64_t step;
  OK(RheoTrainerGetState(trainer, moment, moment + n, &step));
  OK(RheoTrainerGetHistory(trainer, &h));
  assert_true(h->n == 3 && step == 3 * (int64_t)(h->step[0] + 0.5));
  const double *series[] = {h->train_loss, h->validation_loss, h->lr, h->gradient_norm};
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, m->values, n * sizeof *m->values);
  sum = RheoChecksum(sum, moment, 2 * n * sizeof *moment);
  for (int k = 0; k < 4; k++) sum = RheoChecksum(sum, series[k], (size_t)h->n * sizeof(double));
  free(moment);
  return sum;
}

/* ---- Stopped in the middle of an epoch, and of a group that is coupled ---- */
enum { NOT_SAVED = -1, TO_THE_END = 0, STOP_AT = 8 };

static PetscBool IsAsked(void *context)
{
  return (PetscBool)(--*(int64_t *)context == 0);
}

/* 0 where it is stopped. */
static uint64_t RunTo(RheoTrainer trainer, const Model *m, int64_t stop_at)
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
  Model m = {0};
  Configure(c, &m);
  Layout(c, &m);
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
  OK(RheoTrainerCreate(comm, &trainer));
  OK(RheoTrainerSetConfig(trainer, &config));
  OK(RheoTrainerSetSeed(trainer, SEED));
  OK(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  OK(RheoTrainerSetRows(trainer, &m.rows));
  const RheoRows origin = {
      .n = N_SOURCE, .n_columns = 1, .name = {"origin"}, .width = {D}, .value = {source}};
  OK(RheoTrainerSetOrigin(trainer, &origin));
  OK(RheoTrainerSetObjective(trainer, m.type, &m.model, "model"));
  OK(RheoTrainerSetParams(trainer, m.params, m.values));
  const uint64_t sum = RunTo(trainer, &m, stop_at);
  OK(RheoTrainerDestroy(&trainer));
  Destroy(&m);
  return sum;
}

static void SameBits(void **state)
{
  MPI_Comm subset[SIZES]; /* MPI_COMM_NULL where this rank has no part */
  uint64_t sum[SIZES], before[CASES];
  int rank, size;
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  assert_int_equal(size, sizes[SIZES - 1]);
  for (int k = 0; k < SIZES; k++)
    MPI_Comm_split(PETSC_COMM_WORLD, rank < sizes[k] ? 0 : MPI_UNDEFINED, rank, &subset[k]);
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
  for (int k = 0; k < SIZES; k++)
    if (subset[k] != MPI_COMM_NULL) MPI_Comm_free(&subset[k]);
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
  MakeRows();
  return RUN_TESTS(argc, argv, tests);
}
