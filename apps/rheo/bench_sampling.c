/* Sampling by a neural ODE: time for an evaluation of the field against PyTorch, and how many evaluations the rule for steps
 * costs: the worst sample of a group, against the root mean square over the whole batch (PETSc's default, torchdyn's,
 * torchdiffeq's) at the same error of the worst sample. */
#include "bench.h"
#include <cnf/solve.h>
#include <math.h>
#include <petscts.h>
#include <sim/toy.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 10000, COUNTED = 2048, FEATURES = 2, TRAINING_ROWS = 20000 };

typedef struct {
  RheoCnf cnf;
  RheoParams params;
  float *values;
  double *source, *x; /* (POINTS, FEATURES) */
  double *log_prob;   /* (POINTS) */
} Problem;

static const char DeckText[] =
    "cnf: {time: raw, standardize: no, net: {type: mlp, hidden: 64, layers: 3, activation: silu}}\n"
    "target: {toy: eight_gaussians}\n"
    "train: {batch: 256, shards: 1, epochs: 1M, steps: 3000, lr: 1e-3, validation: 0, patience: 0}\n";

/* The parameters: of the loss, which names them all. */
static PetscErrorCode Layout(Problem *p, const RheoObjectiveType *objective, const RheoObjectiveModel *model)
{
  RheoProgram program;
  RheoVal column[2] = {RHEO_NONE, RHEO_NONE};

  PetscFunctionBeginUser;
  PetscCall(RheoParamsCreate(&p->params));
  PetscCall(RheoProgramCreate(1, &program));
  column[0] = rx_rows(program, "x", FEATURES);
  objective->loss(rx_enter(RheoScopeRoot(program, p->params, 1), "cnf"), model, column);
  PetscCheck(!RheoProgramError(program), PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s", RheoProgramError(program));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoParamsAllocate(p->params, &p->values));
  PetscCall(RheoParamsInit(p->params, 1, p->values));
  PetscFunctionReturn(RHEO_OK);
}

/* From a normal to eight Gaussians by flow matching, some seconds of it. */
static PetscErrorCode Train(Problem *p, RheoDeck deck)
{
  const RheoObjectiveModel model = {.cnf = p->cnf};
  const RheoObjectiveType *objective;
  RheoTrainer trainer;
  RheoToy toy;
  double *x;
  float *rows;

  PetscFunctionBeginUser;
  PetscCall(RheoToyCreate(deck, "target", 1, &toy));
  PetscCall(PetscMalloc2(TRAINING_ROWS * FEATURES, &x, TRAINING_ROWS * FEATURES, &rows));
  RheoToySample(toy, 1, 0, TRAINING_ROWS, x, NULL);
  for (int i = 0; i < TRAINING_ROWS * FEATURES; i++) rows[i] = (float)x[i];
  PetscCall(RheoToyDestroy(&toy));
  PetscCall(RheoObjectiveFind("cfm", &objective));
  PetscCall(Layout(p, objective, &model));
  const RheoRows data = {.n = TRAINING_ROWS,
                         .n_columns = 2,
                         .name = {"x", "context"},
                         .width = {FEATURES, 0},
                         .value = {rows, NULL}};
  PetscCall(RheoTrainerCreate(PETSC_COMM_SELF, &trainer));
  PetscCall(RheoTrainerSetFromDeck(trainer, deck, "train"));
  PetscCall(RheoTrainerSetSeed(trainer, 1));
  PetscCall(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  PetscCall(RheoTrainerSetRows(trainer, &data));
  PetscCall(RheoTrainerSetObjective(trainer, objective, &model, "cnf"));
  PetscCall(RheoTrainerSetParams(trainer, p->params, p->values));
  PetscCall(RheoTrainerRun(trainer));
  PetscCall(RheoTrainerDestroy(&trainer));
  PetscCall(PetscFree2(x, rows));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Create(Problem *p)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", DeckText));
  PetscCall(RheoCnfCreate(&p->cnf));
  PetscCall(RheoCnfSetFromDeck(p->cnf, deck, "cnf"));
  PetscCall(RheoCnfSetSizes(p->cnf, FEATURES, 0));
  PetscCall(RheoCnfSetUp(p->cnf));
  PetscCall(Train(p, deck));
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(PetscMalloc3(POINTS * FEATURES, &p->source, POINTS * FEATURES, &p->x, POINTS, &p->log_prob));
  for (int i = 0; i < POINTS; i++) {
    RheoStream stream = RheoStreamMake(2, RHEO_STREAM_TEST, 0, (uint64_t)i);
    for (int j = 0; j < FEATURES; j++) p->source[i * FEATURES + j] = RheoStreamNormal(&stream);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(Problem *p)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(p->source, p->x, p->log_prob));
  PetscCall(RheoCnfDestroy(&p->cnf));
  PetscCall(RheoParamsDestroy(&p->params));
  free(p->values);
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  const char *norm; /* PETSc's: INFINITY, or 2 for the root mean square */
  int64_t group;    /* 0: the default */
  double tolerance;
  int precision;
} Rule;

static PetscErrorCode ConfigOf(RheoSolveConfig *config)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckRead(deck, "cnf.solve", RheoSolveKeys, config));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SolverOf(const Problem *p, Rule rule, RheoSolver *solver)
{
  RheoSolveConfig config;

  PetscFunctionBeginUser;
  PetscCall(ConfigOf(&config));
  config.rtol = config.atol = rule.tolerance;
  config.precision = rule.precision;
  if (rule.group) config.group = rule.group;
  PetscCall(RheoSolverCreate(p->cnf, p->params, "cnf", &config, solver));
  PetscCall(RheoSolverSetValues(*solver, p->values));
  PetscFunctionReturn(RHEO_OK);
}

/* Samples x of the first n points of source, or the log-densities of x; evaluations a point. */
static PetscErrorCode Solve(Problem *p, Rule rule, PetscBool densities, int64_t n, double *evaluations)
{
  const RheoSolveRows rows = {.n = n};
  RheoSolver solver;
  RheoSolveReport report;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, "-ts_adapt_wnormtype", rule.norm));
  PetscCall(SolverOf(p, rule, &solver));
  if (densities)
    PetscCall(RheoSolverLogProb(solver, &rows, p->x, p->log_prob, NULL, NULL, &report));
  else
    PetscCall(RheoSolverSample(solver, &rows, p->source, p->x, NULL, &report));
  *evaluations = (double)report.evaluations / (double)n;
  PetscCall(RheoSolverDestroy(&solver));
  PetscCall(PetscOptionsClearValue(NULL, "-ts_adapt_wnormtype"));
  PetscFunctionReturn(RHEO_OK);
}

/* The best of many short turns of few steps, as the peer's are; ranks share the points. Collective on comm. */
static PetscErrorCode Time(MPI_Comm comm, Problem *p, double seconds, double *evaluations, double *best)
{
  const double start = MPI_Wtime();
  RheoSolveConfig config;
  RheoSolver solver;
  RheoSolveReport report;
  int64_t first, end;
  double elapsed;

  PetscFunctionBeginUser;
  PetscCall(ConfigOf(&config));
  config.steps = 3;
  PetscCall(RheoSolverCreate(p->cnf, p->params, "cnf", &config, &solver));
  PetscCall(RheoSolverSetValues(solver, p->values));
  RheoRange(comm, POINTS, &first, &end);
  *best = INFINITY;
  do {
    PetscCallMPI(MPI_Barrier(comm));
    const double begin = MPI_Wtime();
    PetscCall(RheoSolverSample(solver, &(RheoSolveRows){.n = end - first}, p->source + first * FEATURES,
                               p->x + first * FEATURES, NULL, &report));
    double turn[2] = {MPI_Wtime() - begin, MPI_Wtime() - start};
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, turn, 2, MPI_DOUBLE, MPI_MAX, comm));
    *best = PetscMin(*best, turn[0]);
    elapsed = turn[1];
  } while (elapsed < seconds);
  *evaluations = (double)report.evaluations / (double)(end - first);
  PetscCall(RheoSolverDestroy(&solver));
  PetscFunctionReturn(RHEO_OK);
}

/* seconds and evaluations: on one rank, and on two; 0 where there is only one. */
static PetscErrorCode Times(MPI_Comm comm, Problem *p, double most, double seconds[2], double *evaluations)
{
  PetscMPIInt rank, size;
  MPI_Comm pair;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_split(comm, rank < 2 && size > 1 ? 0 : MPI_UNDEFINED, rank, &pair));
  seconds[1] = 0;
  if (rank == 0) PetscCall(Time(PETSC_COMM_SELF, p, most, evaluations, &seconds[0]));
  PetscCall(BenchWait(comm));
  if (pair != MPI_COMM_NULL) {
    PetscCall(Time(pair, p, most, evaluations, &seconds[1]));
    PetscCallMPI(MPI_Comm_free(&pair));
  }
  PetscCall(BenchWait(comm));
  PetscFunctionReturn(RHEO_OK);
}

static void PrintSpeed(const BenchConfig *config, const double seconds[2], double evaluations, RheoYaml *yaml)
{
  const double tolerance = 1e-5;
  char arguments[64], line[256], peer[64] = "not measured (no PyTorch: Debian has it as python3-torch)";
  double theirs = 0, count;
  int used = 0;

  snprintf(arguments, sizeof arguments, "%d %g %g", POINTS, tolerance, config->seconds);
  if (BenchPeer(config, "peer_sampling.py", "torch", arguments, line) &&
      sscanf(line, "%lf %lf %n", &theirs, &count, &used) >= 2)
    snprintf(peer, sizeof peer, "%s", line + used);
  RheoYamlOpen(yaml, "speed");
  RheoYamlReal(yaml, "points", POINTS);
  RheoYamlReal(yaml, "milliseconds", seconds[0] * 1e3);
  RheoYamlReal(yaml, "evaluations", evaluations);
  RheoYamlReal(yaml, "milliseconds_per_evaluation", seconds[0] / evaluations * 1e3);
  if (seconds[1] > 0)
    RheoYamlReal(yaml, "milliseconds_per_evaluation_2_ranks", seconds[1] / evaluations * 1e3);
  RheoYamlText(yaml, "peer", peer);
  if (theirs > 0) {
    RheoYamlReal(yaml, "peer_milliseconds_per_evaluation", theirs * 1e3);
    RheoYamlReal(yaml, "ratio", theirs / (seconds[0] / evaluations));
    if (seconds[1] > 0) RheoYamlReal(yaml, "ratio_2_ranks", theirs / (seconds[1] / evaluations));
  }
  RheoYamlClose(yaml);
}

/* Evaluations and the error of the worst point as the tolerance falls. */
enum { SWEEP = 20 };
static const double Errors[] = {1e-2, 1e-3, 1e-4};
enum { N_ERRORS = sizeof Errors / sizeof *Errors };
typedef struct {
  int n;
  double evaluations[SWEEP], error[SWEEP];
} Sweep;

static PetscErrorCode SweepRun(Problem *p, Rule rule, PetscBool densities, const double *exact, Sweep *sweep)
{
  const int n = densities ? COUNTED : COUNTED * FEATURES;
  const double *result = densities ? p->log_prob : p->x;

  PetscFunctionBeginUser;
  sweep->n = 0;
  for (rule.tolerance = 1e-2; sweep->n < SWEEP; rule.tolerance /= 3) {
    double worst = 0;
    PetscCall(Solve(p, rule, densities, COUNTED, &sweep->evaluations[sweep->n]));
    for (int i = 0; i < n; i++) worst = fmax(worst, fabs(result[i] - exact[i]));
    sweep->error[sweep->n++] = worst;
    if (worst < Errors[N_ERRORS - 1]) break;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Where the sweep falls below the error for good, on a line in logarithms. */
static double AtError(const Sweep *s, double error)
{
  int i = s->n - 1;
  while (i > 1 && s->error[i - 1] < error) i--;
  const double share = log(error / s->error[i - 1]) / log(s->error[i] / s->error[i - 1]);
  return s->evaluations[i - 1] * pow(s->evaluations[i] / s->evaluations[i - 1], share);
}

static PetscErrorCode Evaluations(Problem *p, PetscBool densities, RheoYaml *yaml)
{
  const int n = densities ? COUNTED : COUNTED * FEATURES;
  Rule mine = {.norm = "INFINITY", .tolerance = 1e-9, .precision = RHEO_SOLVE_DOUBLE},
       theirs = {.norm = "2", .group = COUNTED, .precision = RHEO_SOLVE_DOUBLE};
  Sweep worst, rms;
  double *exact, tight;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &exact));
  PetscCall(Solve(p, mine, densities, COUNTED, &tight));
  PetscCall(PetscArraycpy(exact, densities ? p->log_prob : p->x, n));
  PetscCall(SweepRun(p, mine, densities, exact, &worst));
  PetscCall(SweepRun(p, theirs, densities, exact, &rms));
  PetscCall(PetscArraycpy(densities ? p->log_prob : p->x, exact, n));
  for (int k = 0; k < N_ERRORS; k++) {
    char name[32];
    snprintf(name, sizeof name, "worst_error_%g", Errors[k]);
    RheoYamlOpen(yaml, name);
    RheoYamlReal(yaml, "worst_of_group", AtError(&worst, Errors[k]));
    RheoYamlReal(yaml, "rms_of_batch", AtError(&rms, Errors[k]));
    RheoYamlReal(yaml, "ratio", AtError(&rms, Errors[k]) / AtError(&worst, Errors[k]));
    RheoYamlClose(yaml);
  }
  PetscCall(PetscFree(exact));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchSampling(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  double seconds[2] = {0, 0}, evaluations = 0;
  Problem p = {0};
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank < 2) PetscCall(Create(&p)); /* without messages: each trains the same */
  PetscCall(Times(comm, &p, config->seconds, seconds, &evaluations));
  if (rank == 0) {
    RheoYamlOpen(yaml, "sampling");
    PrintSpeed(config, seconds, evaluations, yaml);
    RheoYamlOpen(yaml, "evaluations_of_samples");
    PetscCall(Evaluations(&p, PETSC_FALSE, yaml));
    RheoYamlClose(yaml);
    RheoYamlOpen(yaml, "evaluations_of_densities");
    PetscCall(Evaluations(&p, PETSC_TRUE, yaml));
    RheoYamlClose(yaml);
    RheoYamlClose(yaml);
  }
  if (rank < 2) PetscCall(Destroy(&p));
  PetscFunctionReturn(RHEO_OK);
}
