#include "deck_model.h"
#include "base/checksum.h"
#include "base/random.h"
#include <stdlib.h>
#include <string.h>

static float *Floats(int64_t n)
{
  float *v = aligned_alloc(64, ((size_t)n * sizeof *v + 63) / 64 * 64);
  assert_non_null(v);
  return v;
}

static void MakeRows(const DeckModelKind *kind, uint64_t seed, DeckModel *m)
{
  const int d = kind->n_features;
  m->x = Floats(kind->n * d);
  m->y = Floats(kind->n);
  m->weight = Floats(kind->n);
  m->source = Floats(kind->n_source * d);
  for (int64_t i = 0; i < kind->n; i++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, (uint64_t)i);
    m->y[i] = (float)(i % kind->n_classes);
    m->weight[i] = 0.5F * (float)(1 + i % 4);
    for (int k = 0; k < d; k++)
      m->x[i * d + k] = (float)(kind->scale * ((double)m->y[i] + kind->offset + RheoStreamNormal(&stream)));
    for (int k = 0; k < d && i < kind->n_source; k++)
      m->source[i * d + k] = (float)(kind->scale * (5 + 2 * RheoStreamUniform(&stream)));
  }
}

static void Configure(RheoDeck deck, DeckModel *m)
{
  const DeckModelKind *kind = &m->kind;
  const int d = kind->n_features;
  if (!strcmp(kind->section, "flow")) {
    double lower[16], upper[16];
    assert_true(d <= 16);
    for (int k = 0; k < d; k++) {
      lower[k] = -20 * kind->scale;
      upper[k] = 30 * kind->scale;
    }
    OK(RheoFlowCreate(&m->flow));
    OK(RheoFlowSetFromDeck(m->flow, deck, "flow"));
    OK(RheoFlowSetSizes(m->flow, d, 1));
    if (kind->bounded) OK(RheoFlowSetBounds(m->flow, lower, upper));
    OK(RheoFlowSetUp(m->flow));
    m->model.flow = m->flow;
  } else if (!strcmp(kind->section, "cnf")) {
    OK(RheoCnfCreate(&m->cnf));
    OK(RheoCnfSetFromDeck(m->cnf, deck, "cnf"));
    OK(RheoCnfSetSizes(m->cnf, d, 1));
    OK(RheoCnfSetUp(m->cnf));
    m->model.cnf = m->cnf;
  } else {
    OK(RheoDeckRead(deck, "net", RheoNetKeys, &m->net));
    m->model.net = &m->net;
    m->model.n_out = strcmp(kind->objective, "mse") ? kind->n_classes : 1;
  }
}

/* Rows, and the parameters that the loss names. */
static void Layout(uint64_t seed, DeckModel *m)
{
  RheoVal column[RHEO_TRAIN_COLUMNS + 1];
  RheoProgram program;
  OK(RheoObjectiveFind(m->kind.objective, &m->type));
  m->rows = (RheoRows){.n = m->kind.n, .weight = m->weight};
  m->origin = (RheoRows){.n = m->kind.n_source,
                         .n_columns = 1,
                         .name = {"origin"},
                         .width = {m->kind.n_features},
                         .value = {m->source}};
  OK(RheoParamsCreate(&m->params));
  OK(RheoProgramCreate(16, &program));
  for (int k = 0; m->type->columns[k]; k++) {
    m->rows.name[k] = m->type->columns[k];
    m->rows.width[k] = k ? 1 : m->kind.n_features;
    m->rows.value[k] = k ? m->y : m->x;
    m->rows.n_columns = k + 1;
    column[k] = rx_rows(program, m->rows.name[k], m->rows.width[k]);
  }
  const int given = m->type->stage ? m->type->stage->width(&m->model) : 0;
  if (given) column[m->rows.n_columns] = rx_rows(program, "given", given);
  m->type->loss(rx_enter(RheoScopeRoot(program, m->params, 1), "model"), &m->model, column);
  if (RheoProgramError(program)) fail_msg("%s: %s", m->kind.objective, RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
  m->values = Floats((int64_t)RheoParamsSize(m->params));
  OK(RheoParamsInit(m->params, seed, m->values));
}

void DeckModelCreate(RheoDeck deck, const DeckModelKind *kind, uint64_t seed, DeckModel *m)
{
  *m = (DeckModel){.kind = *kind};
  MakeRows(kind, seed, m);
  Configure(deck, m);
  Layout(seed, m);
}

void DeckModelDestroy(DeckModel *m)
{
  OK(RheoFlowDestroy(&m->flow));
  OK(RheoCnfDestroy(&m->cnf));
  OK(RheoParamsDestroy(&m->params));
  free(m->values);
  free(m->x);
  free(m->y);
  free(m->weight);
  free(m->source);
}

void DeckModelTrainer(MPI_Comm comm, DeckModel *m, uint64_t seed, RheoTrainer *trainer)
{
  OK(RheoTrainerCreate(comm, trainer));
  OK(RheoTrainerSetSeed(*trainer, seed));
  OK(RheoTrainerSetQuiet(*trainer, PETSC_TRUE));
  OK(RheoTrainerSetRows(*trainer, &m->rows));
  OK(RheoTrainerSetOrigin(*trainer, &m->origin));
  OK(RheoTrainerSetObjective(*trainer, m->type, &m->model, "model"));
  OK(RheoTrainerSetParams(*trainer, m->params, m->values));
}

uint64_t DeckModelChecksum(const DeckModel *m, RheoTrainer trainer)
{
  const size_t n = RheoParamsSize(m->params);
  float *moment = malloc(2 * n * sizeof *moment + 1);
  const RheoHistory *h;
  int64_t step;
  OK(RheoTrainerGetState(trainer, moment, moment + n, &step));
  OK(RheoTrainerGetHistory(trainer, &h));
  const double *series[] = {h->train_loss, h->validation_loss, h->lr, h->gradient_norm, h->epoch, h->step};
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, m->values, n * sizeof *m->values);
  sum = RheoChecksum(sum, moment, 2 * n * sizeof *moment);
  sum = RheoChecksum(sum, &step, sizeof step);
  for (int k = 0; k < 6; k++) sum = RheoChecksum(sum, series[k], (size_t)h->n * sizeof(double));
  free(moment);
  return sum;
}

void SubsetsCreate(int n, const int *sizes, MPI_Comm *subset)
{
  int rank, size, largest = 0;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int k = 0; k < n; k++) {
    largest = sizes[k] > largest ? sizes[k] : largest;
    MPI_Comm_split(PETSC_COMM_WORLD, rank < sizes[k] ? 0 : MPI_UNDEFINED, rank, &subset[k]);
  }
  assert_int_equal(size, largest);
}

void SubsetsDestroy(int n, MPI_Comm *subset)
{
  for (int k = 0; k < n; k++)
    if (subset[k] != MPI_COMM_NULL) MPI_Comm_free(&subset[k]);
}
