/* Whatever a deck can say of a model and its training gives the same parameters, optimiser state and history on 1, 2, 3, 4 and 8
 * ranks. Cases come from the tables: every choice of every key, every transform of the stack, a value beside the default of
 * every other key; one alone in each, so that it is known which one breaks. One job of eight ranks takes subsets of itself.
 * ranks: 8 timeout: 400 */
#include "options.h"
#include "base/log.h"
#include "check.h"
#include "deck_model.h"
#include "infer/posterior_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEED = 3 };
static const int sizes[] = {1, 2, 3, 4, 8};
enum { SIZES = sizeof sizes / sizeof *sizes };
static MPI_Comm subset[SIZES]; /* MPI_COMM_NULL where this rank has no part */

static const char Base[] = "train: {batch: 32, shards: 8, epochs: 1, lr: 1e-2, validation: 0.2}\n"
                           "flow: {repeat: 1, net: {hidden: 8, layers: 1}}\n"
                           "cnf: {net: {hidden: 8, layers: 1}}\n"
                           "net: {hidden: 8, layers: 1}\n";

/* ---- Of a deck's sections ---- */
static uint64_t Train(MPI_Comm comm, const Option *option, int alone)
{
  DeckModelKind kind = {.objective = option->objective,
                        .section = option->model,
                        .n_features = 3,
                        .n = 120,
                        .n_source = 50,
                        .n_classes = 3,
                        .scale = 0.15,
                        .offset = -1};
  const RheoHistory *h;
  RheoTrainer trainer;
  DeckModel m;
  RheoDeck deck;
  OK(RheoDeckCreate(comm, &deck));
  OK(RheoDeckLoadText(deck, option->key, Base));
  OptionSet(deck, option, alone, &kind.objective, &kind.bounded);
  DeckModelCreate(deck, &kind, SEED, &m);
  DeckModelTrainer(comm, &m, SEED, &trainer);
  OK(RheoTrainerSetFromDeck(trainer, deck, "train"));
  OK(RheoTrainerRun(trainer));
  OK(RheoTrainerGetHistory(trainer, &h));
  assert_true(h->n >= 1 && isfinite(h->train_loss[0]) && isfinite(h->validation_loss[0]));
  const uint64_t sum = DeckModelChecksum(&m, trainer);
  OK(RheoTrainerDestroy(&trainer));
  OK(RheoDeckDestroy(&deck));
  DeckModelDestroy(&m);
  return sum;
}

/* An option that does nothing would be the same on any number of ranks too: it must change what comes out, but for those of
 * which the list says that they may not. */
static void SameBits(void **state)
{
  int n;
  const Option *option = Options(&n);
  uint64_t sum[SIZES];
  (void)state;
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < SIZES; k++) {
      sum[k] = subset[k] != MPI_COMM_NULL ? Train(subset[k], &option[i], 0) : 0;
      MPI_Bcast(&sum[k], 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD);
      if (sum[k] != sum[0])
        fail_msg("%s: %s: %016llx on %d ranks, %016llx on one", option[i].key, option[i].value,
                 (unsigned long long)sum[k], sizes[k], (unsigned long long)sum[0]);
    }
    int same = subset[0] != MPI_COMM_NULL && Train(subset[0], &option[i], 1) == sum[0];
    MPI_Bcast(&same, 1, MPI_INT, 0, PETSC_COMM_WORLD);
    if (same != option[i].same)
      fail_msg("%s: %s %s", option[i].key, option[i].value,
               same ? "changes nothing" : "changes the result, which it must not");
  }
  print_message("%d options\n", n);
}

/* What a new line of a table, or a new key, fails with until there is a case for it. */
static void NothingIsLeftOut(void **state)
{
  (void)state;
  OptionsMissing();
}

/* ---- Estimators, with every family of priors and every transform of data ---- */
static const struct {
  const char *family, *shape;
} priors[] = {
    {"uniform", "lower: 0, upper: 1"},
    {"normal", "mean: 0, sd: 1"},
    {"truncated_normal", "mean: 0, sd: 1, lower: -1"},
    {"log_normal", "log_mean: 0, log_sd: 0.5"},
    {"log_uniform", "lower: 0.1, upper: 10"},
    {"exponential", "rate: 2"},
    {"gamma", "shape: 2, rate: 1"},
    {"beta", "alpha: 2, beta: 3"},
    {"half_normal", "sd: 1"},
    {"student_t", "df: 5, location: 0, scale: 1"},
};
enum { PRIORS = sizeof priors / sizeof *priors, ROWS = 200, DATA = 5 };
static const char Transforms[] = "[none, log1p, sqrt, log, asinh]";

static RheoDeck EstimatorDeck(MPI_Comm comm, const char *name)
{
  RheoDeck deck;
  char text[4096];
  int n =
      snprintf(text, sizeof text, "%sestimator: %s\ndata: {transform: %s}\nprior:\n", Base, name, Transforms);
  for (int i = 0; i < PRIORS; i++)
    n += snprintf(text + n, sizeof text - (size_t)n, "  p%d: {family: %s, %s}\n", i, priors[i].family,
                  priors[i].shape);
  OK(RheoDeckCreate(comm, &deck));
  OK(RheoDeckLoadText(deck, name, text));
  return deck;
}

static uint64_t TrainEstimator(MPI_Comm comm, const char *name)
{
  static double theta[ROWS * PRIORS], x[ROWS * DATA];
  RheoDeck deck = EstimatorDeck(comm, name);
  RheoPosterior posterior;
  uint64_t sum;
  OK(RheoPosteriorCreate(deck, DATA, &posterior));
  assert_int_equal(RheoPosteriorSize(posterior), PRIORS);
  for (int i = 0; i < ROWS; i++) {
    RheoStream draw = RheoStreamMake(1, RHEO_STREAM_PRIOR, 0, (uint64_t)i),
               noise = RheoStreamMake(1, RHEO_STREAM_SIMULATE, 0, (uint64_t)i);
    RheoPriorSample(RheoPosteriorPrior(posterior), &draw, theta + i * PRIORS);
    for (int k = 0; k < DATA; k++)
      x[i * DATA + k] = fabs(theta[i * PRIORS + 2 * k]) + 0.1 + RheoStreamUniform(&noise);
  }
  OK(RheoPosteriorTrain(posterior, ROWS, theta, x, NULL));
  OK(RheoPosteriorGetChecksum(posterior, &sum));
  OK(RheoPosteriorDestroy(&posterior));
  OK(RheoDeckDestroy(&deck));
  return sum;
}

static void SameEstimators(void **state)
{
  uint64_t sum[SIZES];
  (void)state;
  RheoLogSetLevel(RHEO_LOG_ERROR);
  for (int i = 0; RheoEstimatorTypes[i]; i++)
    for (int k = 0; k < SIZES; k++) {
      const char *name = RheoEstimatorTypes[i]->name;
      sum[k] = subset[k] != MPI_COMM_NULL ? TrainEstimator(subset[k], name) : 0;
      MPI_Bcast(&sum[k], 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD);
      if (sum[k] != sum[0])
        fail_msg("%s: %016llx on %d ranks, %016llx on one", name, (unsigned long long)sum[k], sizes[k],
                 (unsigned long long)sum[0]);
    }
}

static void NoPriorIsLeftOut(void **state)
{
  char rule[128] = "[";
  (void)state;
  for (int t = 0; RheoPriorTypes[t]; t++) {
    int found = 0;
    for (int i = 0; i < PRIORS; i++) found |= !strcmp(priors[i].family, RheoPriorTypes[t]->name);
    if (!found) fail_msg("no case for the prior %s", RheoPriorTypes[t]->name);
  }
  for (const char *c = RHEO_DATA_TRANSFORM_RULE; *c; c++)
    snprintf(rule + strlen(rule), sizeof rule - strlen(rule), *c == '|' ? ", " : "%c", *c);
  snprintf(rule + strlen(rule), sizeof rule - strlen(rule), "]");
  assert_string_equal(rule, Transforms);
}

static int Begin(void **state)
{
  (void)state;
  SubsetsCreate(SIZES, sizes, subset);
  return 0;
}

static int End(void **state)
{
  (void)state;
  SubsetsDestroy(SIZES, subset);
  return 0;
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(NothingIsLeftOut),
      cmocka_unit_test(NoPriorIsLeftOut),
      cmocka_unit_test_setup_teardown(SameBits, Begin, End),
      cmocka_unit_test_setup_teardown(SameEstimators, Begin, End),
  };
  return RUN_TESTS(argc, argv, tests);
}
