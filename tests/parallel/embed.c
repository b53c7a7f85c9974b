/* The interface for hosts: what a model answers, from any thread and with any habits of floating point; feeds into files and to
 * ranks that train. ranks: 1 2 4. timeout: 240 sanitize: yes */
#include "check.h"
#include "infer/posterior.h"
#include "io/table.h"
#include "rheo_embed.h"
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 2, C = 3, N = 400 };

#define DECK(of_run)                                                                                         \
  "seed: 3\n"                                                                                                \
  "prior: {a: {family: normal, mean: 1, sd: 2}, b: {family: gamma, shape: 2, rate: 1}}\n"                    \
  "flow: {stack: [rqs_coupling, lu], repeat: 2, rqs_coupling: {bins: 6, bound: 4},\n"                        \
  "  net: {type: resmlp, hidden: 16, layers: 1, context: glu}}\n"                                            \
  "train: {batch: 50, epochs: 3, shards: 4" of_run "}\n"
static const char deck_text[] = DECK(""),
                  deck_of_run[] = DECK(
                      ", checkpoint: 3, restart: no, time_limit: 60, series: no") "simulate: {keep_every: 3, "
                                                                                  "restart: no}\n";
static const double observed[C] = {1.2, 0.4, 3};

#define DONE(call)                                                                                           \
  do {                                                                                                       \
    const int done_ = (call);                                                                                \
    if (done_) fail_msg("%s: %d: %s", #call, done_, rheo_error());                                           \
  } while (0)
#define MISTAKE(call, text)                                                                                  \
  do {                                                                                                       \
    assert_int_equal((call), RHEO_INPUT);                                                                    \
    if (!strstr(rheo_error(), text)) fail_msg("%s: '%s' does not say '%s'", #call, rheo_error(), text);      \
  } while (0)

static int world(void)
{
  return (int)MPI_Comm_c2f(MPI_COMM_WORLD);
}

static int rank_of(MPI_Comm comm, int *size)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, size);
  return rank;
}

/* A simulation as a pure function of its index. */
static void simulate(int64_t i, double theta[D], double x[C])
{
  RheoStream stream = RheoStreamMake(5, RHEO_STREAM_TEST, 0, (uint64_t)i);
  theta[0] = 1 + 2 * RheoStreamNormal(&stream);
  theta[1] = 0.2 + 3 * RheoStreamUniform(&stream);
  for (int k = 0; k < C; k++) x[k] = theta[0] + k * theta[1] + 0.3 * RheoStreamNormal(&stream);
}

static void write_deck(const char *path, const char *text)
{
  int size;
  if (rank_of(MPI_COMM_WORLD, &size) == 0) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/* A trained model, in path, and as it was trained. */
static RheoPosterior trained(const char *text, const char *path)
{
  static double theta[N * D], x[N * C];
  RheoPosterior posterior;
  static RheoDeck deck; /* lives as long as the model does */
  for (int64_t i = 0; i < N; i++) simulate(i, theta + i * D, x + i * C);
  write_deck("embed.yaml", text);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadFile(deck, "embed.yaml"));
  OK(RheoPosteriorCreate(deck, C, &posterior));
  OK(RheoPosteriorTrain(posterior, N, theta, x, NULL));
  OK(RheoPosteriorSave(posterior, path));
  return posterior;
}

static void answers(void **state)
{
  enum { M = 300 };
  static double theta[M * D], lp[M], right[M * D], right_lp[M], again[M];
  RheoPosterior posterior = trained(deck_text, "embed_model.h5");
  rheo_model *model;
  rheo_workspace *work;
  (void)state;
  DONE(rheo_model_load(world(), "embed_model.h5", &model));
  assert_int_equal(rheo_model_parameters(model), D);
  assert_int_equal(rheo_model_data(model), C);
  assert_string_equal(rheo_model_parameter_name(model, 1), "b");
  assert_null(rheo_model_parameter_name(model, D));
  DONE(rheo_workspace_create(model, &work));
  OK(RheoPosteriorSample(posterior, observed, 9, 1000, M, right, right_lp));
  DONE(rheo_sample(model, work, observed, 9, 1000, M, theta, lp));
  assert_memory_equal(theta, right, sizeof theta);
  assert_memory_equal(lp, right_lp, sizeof lp);
  for (int i = M - 1; i >= 0; i -= 7) { /* one by one, without densities */
    DONE(rheo_sample(model, work, observed, 9, 1000 + i, 1, theta, NULL));
    assert_memory_equal(theta, right + i * D, D * sizeof *theta);
  }
  memcpy(theta, right, sizeof theta);
  theta[2 * D + 1] = -1; /* no b is */
  OK(RheoPosteriorLogProb(posterior, M, theta, observed, PETSC_TRUE, right_lp));
  DONE(rheo_log_prob(model, work, observed, M, theta, again));
  assert_memory_equal(again, right_lp, sizeof again);
  assert_true(again[2] == -INFINITY && isfinite(again[3]) && fabs(again[3] - lp[3]) < 1e-3);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  assert_null(model);
  OK(RheoPosteriorDestroy(&posterior));
}

static void observed_with(double bad, rheo_model *model, rheo_workspace *work)
{
  double theta[D], x[C] = {observed[0], observed[1], bad};
  MISTAKE(rheo_sample(model, work, x, 1, 0, 1, theta, NULL), "value 3 of the observation");
}

/* A continuous flow: PETSc solves, threads take turns, and what comes out is still the posterior's. */
static void continuous(void **state)
{
  enum { M = 3 };
  double theta[M * D], lp[M], right[M * D], right_lp[M];
  RheoPosterior posterior;
  rheo_model *model;
  rheo_workspace *work;
  RheoDeck deck;
  static double t[N * D], x[N * C];
  (void)state;
  for (int64_t i = 0; i < N; i++) simulate(i, t + i * D, x + i * C);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "cnf",
                      "seed: 3\nestimator: fmpe\n"
                      "prior: {a: {family: normal, mean: 1, sd: 2}, b: {family: gamma, shape: 2, rate: 1}}\n"
                      "cnf: {net: {type: mlp, hidden: 16, layers: 2}}\n"
                      "train: {batch: 50, epochs: 2, shards: 4}\n"));
  OK(RheoPosteriorCreate(deck, C, &posterior));
  OK(RheoPosteriorTrain(posterior, N, t, x, NULL));
  OK(RheoPosteriorSave(posterior, "embed_cnf.h5"));
  DONE(rheo_model_load(world(), "embed_cnf.h5", &model));
  DONE(rheo_workspace_create(model, &work));
  OK(RheoPosteriorSample(posterior, observed, 4, 7, M, right, right_lp));
  DONE(rheo_sample(model, work, observed, 4, 7, M, theta, lp));
  assert_memory_equal(theta, right, sizeof theta);
  assert_memory_equal(lp, right_lp, sizeof lp);
  DONE(rheo_sample(model, work, observed, 4, 8, 1, theta, lp));
  assert_memory_equal(theta, right + D, D * sizeof *theta);
  DONE(rheo_log_prob(model, work, observed, M, right, lp));
  for (int i = 0; i < M; i++) assert_true(fabs(lp[i] - right_lp[i]) < 0.05);
  observed_with(NAN, model, work);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  OK(RheoPosteriorDestroy(&posterior));
  OK(RheoDeckDestroy(&deck));
}

static void mistakes(void **state)
{
  const double bad[C] = {1, NAN, 2};
  double theta[D] = {7, 7};
  char text[40];
  rheo_model *model = (rheo_model *)(void *)text, *other; /* that it was set at all must show */
  rheo_workspace *work;
  rheo_feed *feed = (rheo_feed *)(void *)text;
  int64_t rows = 7;
  (void)state;
  MISTAKE(rheo_model_load(world(), "nowhere.h5", &model), "nowhere.h5");
  assert_null(model);
  rheo_error_text(text, sizeof text);
  assert_int_equal(strlen(text), sizeof text - 1);
  assert_memory_equal(text, "nowhere.h5", 10);
  MISTAKE(rheo_model_load(world(), "embed.yaml", &model), "embed.yaml");
  DONE(rheo_model_load(world(), "embed_model.h5", &model));
  DONE(rheo_model_load(world(), "embed_model.h5", &other));
  DONE(rheo_workspace_create(model, &work));
  MISTAKE(rheo_sample(model, work, bad, 1, 0, 1, theta, NULL), "value 2 of the observation, nan");
  assert_true(theta[0] == 7);
  MISTAKE(rheo_log_prob(model, work, bad, 1, theta, theta), "value 2");
  MISTAKE(rheo_sample(model, work, observed, -1, 0, 1, theta, NULL), "seed");
  MISTAKE(rheo_sample(other, work, observed, 1, 0, 1, theta, NULL), "another model");
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  DONE(rheo_model_destroy(&other));
  MISTAKE(rheo_feed_to_file(world(), "no/such/folder.h5", "a", "1", 10, &feed), "folder there");
  assert_null(feed);
  MISTAKE(rheo_feed_to_file(world(), "", "a", "1", 10, &feed), "no name for a file");
  MISTAKE(rheo_feed_to_file(world(), "/tmp", "a", "1", 10, &feed), "no name for a file");
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a,,b", "1", 10, &feed), "'a,,b' is not a list");
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a, b,a", "1", 10, &feed), "parameters: 'a' is there twice");
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a", "x,x", 10, &feed), "data: 'x' is there twice");
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a", "0", 10, &feed), "0 columns");
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a", "1", 0, &feed), "at least 1 row");
  MISTAKE(rheo_feed_to_file((int)MPI_Comm_c2f(MPI_COMM_NULL), "feed.h5", "a", "1", 1, &feed),
          "MPI_COMM_NULL");
  MISTAKE(rheo_model_load((int)MPI_Comm_c2f(MPI_COMM_NULL), "embed_model.h5", &other), "MPI_COMM_NULL");
  assert_null(other);
  MISTAKE(rheo_feed_to_trainers(world(), 1, "a", "1", 10, &feed), "one has to simulate");
  DONE(rheo_feed_to_file(world(), "feed.h5", "a", "1", 10, &feed));
  MISTAKE(rheo_feed_put(feed, -1, theta, theta, 0), "index");
  MISTAKE(rheo_feed_train(feed, "embed.yaml", "none.h5", NULL), "opened to train");
  MISTAKE(rheo_feed_close(&feed, &rows), "no simulation was put");
  assert_null(feed);
  assert_int_equal(rows, 0);
  MISTAKE(rheo_feed_close(&feed, NULL), "closed already");
}

/* ---- Threads and floating point ---- */

typedef struct {
  const rheo_model *model;
  int first, step;
  double (*theta)[D + 1];
  int failed;
} Share;

enum { SAMPLES = 2000 };

static void *ask(void *context)
{
  Share *s = context;
  rheo_workspace *work;
  s->failed = rheo_workspace_create(s->model, &work);
  for (int i = s->first; i < SAMPLES && !s->failed; i += s->step) {
    const double x[C] = {1 + 0.001 * i, 0.4, 3};
    s->failed = rheo_sample(s->model, work, x, 2, i, 1, s->theta[i], &s->theta[i][D]);
  }
  if (!s->failed) s->failed = rheo_workspace_destroy(&work);
  return NULL;
}

static void threads(void **state)
{
  enum { T = 4 };
  static double one[SAMPLES][D + 1], many[SAMPLES][D + 1];
  pthread_t thread[T];
  rheo_model *model;
  Share share[T];
  (void)state;
  DONE(rheo_model_load(world(), "embed_model.h5", &model));
  Share alone = {model, 0, 1, one, 0};
  ask(&alone);
  assert_int_equal(alone.failed, 0);
  for (int t = 0; t < T; t++) {
    share[t] = (Share){model, t, T, many, 0};
    assert_int_equal(pthread_create(&thread[t], NULL, ask, &share[t]), 0);
  }
  for (int t = 0; t < T; t++) {
    pthread_join(thread[t], NULL);
    assert_int_equal(share[t].failed, 0);
  }
  assert_memory_equal(one, many, sizeof one);
  assert_true(one[0][0] != one[1][0]);
  DONE(rheo_model_destroy(&model));
}

static void floating_point(void **state)
{
  double right[8 * D], theta[8 * D], lp[8];
  rheo_model *model;
  rheo_workspace *work;
  (void)state;
  DONE(rheo_model_load(world(), "embed_model.h5", &model));
  DONE(rheo_workspace_create(model, &work));
  DONE(rheo_sample(model, work, observed, 1, 0, 8, right, NULL));
  fenv_t before;
  fegetenv(&before);
  feclearexcept(FE_ALL_EXCEPT);
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT);
  fesetround(FE_UPWARD);
  const int sampled = rheo_sample(model, work, observed, 1, 0, 8, theta, NULL);
  const int evaluated = rheo_log_prob(model, work, observed, 8, theta, lp);
  const int traps = fegetexcept(), rounding = fegetround(), raised = fetestexcept(FE_ALL_EXCEPT);
  fesetenv(&before);
  assert_true(!sampled && !evaluated);
  assert_int_equal(traps, FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT);
  assert_int_equal(rounding, FE_UPWARD);
  assert_int_equal(raised, 0);
  assert_memory_equal(theta, right, sizeof right);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
}

/* ---- Feeds ---- */

static void put_all(rheo_feed *feed, int rank, int size)
{
  double theta[D], x[C];
  for (int64_t k = 0; k < N; k++) {
    const int64_t i = k * 37 % N; /* not in order */
    if (i % size != rank) continue;
    simulate(i, theta, x);
    if (i == 17) x[1] = INFINITY;
    DONE(rheo_feed_put(feed, i < 300 ? i : i + 100000000000, theta, x, i == 30));
  }
}

static void feed_file(MPI_Comm comm, const char *path, int capacity)
{
  rheo_feed *feed;
  int64_t rows;
  int size, rank = rank_of(comm, &size);
  DONE(rheo_feed_to_file((int)MPI_Comm_c2f(comm), path, "a, b", "3", capacity, &feed));
  put_all(feed, rank, size);
  DONE(rheo_feed_close(&feed, &rows));
  assert_null(feed);
  assert_int_equal(rows, N);
}

static void same_files(const char *one, const char *other)
{
  FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
  long n = 0;
  assert_true(a && b);
  for (int x, y; (x = getc(a)) == (y = getc(b)); n++)
    if (x == EOF) break;
  if (getc(a) != EOF || getc(b) != EOF) fail_msg("%s and %s differ after %ld bytes", one, other, n);
  assert_true(n > 1000);
  fclose(a);
  fclose(b);
}

static void into_a_file(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  RheoTable *table;
  (void)state;
  feed_file(MPI_COMM_WORLD, "feed_all.h5", 7);
  if (rank == 0) feed_file(MPI_COMM_SELF, "feed_one.h5", 1000);
  MPI_Barrier(MPI_COMM_WORLD);
  same_files("feed_all.h5", "feed_one.h5");
  OK(RheoTableRead(PETSC_COMM_WORLD, "feed_all.h5", "dataset", PETSC_TRUE, &table));
  const RheoBlock *t = RheoTableBlock(table, "parameters"), *d = RheoTableBlock(table, "data"),
                  *s = RheoTableBlock(table, "status");
  assert_true(table->n == N && t->width == D && d->width == C);
  assert_string_equal(t->columns[1], "b");
  assert_string_equal(d->columns[2], "x3");
  for (int64_t i = 0; i < N; i++) {
    double theta[D], x[C];
    simulate(i, theta, x);
    assert_memory_equal(theta, t->value + i * D, sizeof theta);
    assert_true(s->value[i] == (i == 17 ? RHEO_SIMULATION_NOT_FINITE : i == 30 ? RHEO_SIMULATION_FAILED : 0));
    if (s->value[i] == 0)
      assert_memory_equal(x, d->value + i * C, sizeof x);
    else
      assert_true(isnan(d->value[i * C]));
  }
  OK(RheoTableDestroy(&table));
}

/* What only says how a run goes is no part of a model, nor does it hinder whoever reads no such keys. */
static void of_run(void **state)
{
  (void)state;
  OK(RheoPosteriorDestroy(&(RheoPosterior){trained(deck_text, "embed_model.h5")}));
  OK(RheoPosteriorDestroy(&(RheoPosterior){trained(deck_of_run, "embed_of_run.h5")}));
  same_files("embed_model.h5", "embed_of_run.h5");
}

/* Each rank has a capacity of its own: what the roomiest sends at once must not run over in the others. */
static void uneven(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  (void)state;
  feed_file(MPI_COMM_WORLD, "feed_uneven.h5", rank ? 1 : 1000);
  if (rank == 0) feed_file(MPI_COMM_SELF, "feed_even.h5", 1000);
  MPI_Barrier(MPI_COMM_WORLD);
  same_files("feed_uneven.h5", "feed_even.h5");
}

static void other_columns(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  if (size == 1) skip();
  MISTAKE(rheo_feed_to_file(world(), "feed_other.h5", rank ? "a, b" : "a", "3", 4, &feed),
          "different parameters");
  assert_null(feed);
  MISTAKE(rheo_feed_to_trainers(world(), rank, "a, b", rank ? "x, y" : "x, z", 4, &feed),
          "different parameters");
  assert_null(feed);
}

static void twice(void **state)
{
  const double theta[D] = {1, 1}, x[C] = {1, 2, 3};
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  DONE(rheo_feed_to_file(world(), "feed_twice.h5", "2", "3", 4, &feed));
  for (int64_t i = 0; i < 20; i++) DONE(rheo_feed_put(feed, rank * 20 + i, theta, x, 0));
  if (rank == size - 1) DONE(rheo_feed_put(feed, 11, theta, x, 0));
  MISTAKE(rheo_feed_close(&feed, NULL), "simulation 11 was put more than once");
  assert_null(fopen("feed_twice.h5", "r"));
}

/* The model of ranks that train, one of two and three of four, is that of a training on the same rows from a file. */
static void to_trainers(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  const int is_trainer = size == 2 ? rank == 1 : rank != 1;
  rheo_feed *feed;
  int64_t rows;
  (void)state;
  if (size == 1) return;
  OK(RheoPosteriorDestroy(&(RheoPosterior){trained(deck_text, "embed_model.h5")}));
  write_deck("embed.yaml", deck_of_run); /* how often to save is no part of a model */
  write_deck("embed_wrong.yaml", "prior: {a: {family: normal, mean: 1, sd: 2}}\ntrain: {batsch: 3}\n");
  DONE(rheo_feed_to_trainers(world(), is_trainer, "a, b", "3", 10, &feed));
  if (is_trainer) {
    MISTAKE(rheo_feed_train(feed, "embed_wrong.yaml", "none.h5", NULL), "train.batsch");
    MISTAKE(rheo_feed_put(feed, 0, observed, observed, 0), "nothing to put");
    DONE(rheo_feed_train(feed, "embed.yaml", "embed_fed.h5", &rows));
    assert_int_equal(rows, N);
    MISTAKE(rheo_feed_train(feed, "embed.yaml", "embed_fed.h5", &rows), "already");
  } else {
    for (int64_t i = 0; i < N; i++) {
      double theta[D], x[C];
      simulate(N - 1 - i, theta, x);
      DONE(rheo_feed_put(feed, N - 1 - i, theta, x, 0));
    }
    MISTAKE(rheo_feed_train(feed, "embed.yaml", "none.h5", NULL), "opened to train");
  }
  DONE(rheo_feed_close(&feed, &rows));
  assert_int_equal(rows, is_trainer ? 0 : N);
  MPI_Barrier(MPI_COMM_WORLD);
  same_files("embed_model.h5", "embed_fed.h5");
}

/* As long as no trainer takes rows, no more than capacity of them leave; then all of them arrive. */
static void pressure(void **state)
{
  enum { CAPACITY = 8 };
  int size, rank = rank_of(MPI_COMM_WORLD, &size), n = 0, code = 0;
  const int is_trainer = rank == 0;
  double theta[D], x[C];
  rheo_feed *feed;
  (void)state;
  if (size == 1) return;
  DONE(rheo_feed_to_trainers(world(), is_trainer, "a, b", "3", CAPACITY, &feed));
  if (!is_trainer)
    for (n = 0; n < 1000 && !code; n += !code) {
      const int64_t i = rank + (int64_t)n * size;
      simulate(i, theta, x);
      code = rheo_feed_try_put(feed, i, theta, x, 0);
    }
  MPI_Barrier(MPI_COMM_WORLD); /* now the trainer may begin */
  if (!is_trainer) {
    assert_int_equal(code, RHEO_BUSY);
    assert_int_equal(n, CAPACITY);
    for (; n < 100; n++) {
      simulate(rank + (int64_t)n * size, theta, x);
      DONE(rheo_feed_put(feed, rank + (int64_t)n * size, theta, x, 0));
    }
  } else {
    int64_t rows;
    DONE(rheo_feed_train(feed, "embed.yaml", "embed_pressed.h5", &rows));
    assert_int_equal(rows, 100 * (size - 1));
  }
  DONE(rheo_feed_close(&feed, NULL));
}

/* A trainer that does not train holds nobody up. */
static void not_trained(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  if (size == 1) return;
  DONE(rheo_feed_to_trainers(world(), rank == 0, "2", "3", 4, &feed));
  for (int64_t i = 0; i < 50 && rank; i++) DONE(rheo_feed_put(feed, rank * 50 + i, observed, observed, 0));
  DONE(rheo_feed_close(&feed, NULL));
}

typedef struct {
  rheo_feed *feed;
  int failed;
} Putter;

static void *put_many(void *context)
{
  Putter *p = context;
  for (int64_t i = 0; i < 40 && !p->failed; i++) p->failed = rheo_feed_put(p->feed, i, observed, observed, 0);
  return NULL;
}

/* A thread that waits for a trainer must let others work: here the trainer takes nothing until they have. */
static void threads_that_put(void **state)
{
  int size, rank = rank_of(MPI_COMM_WORLD, &size), threads = 0;
  rheo_feed *waits, *file;
  pthread_t thread;
  Putter putter = {0};
  char path[40];
  (void)state;
  MPI_Query_thread(&threads);
  if (size == 1 || threads < MPI_THREAD_MULTIPLE) skip();
  snprintf(path, sizeof path, "feed_of_%d.h5", rank);
  DONE(rheo_feed_to_trainers(world(), rank == 0, "2", "3", 4, &waits));
  putter.feed = waits;
  if (rank) assert_int_equal(pthread_create(&thread, NULL, put_many, &putter), 0);
  DONE(rheo_feed_to_file((int)MPI_Comm_c2f(MPI_COMM_SELF), path, "2", "3", 4, &file));
  usleep(rank ? 100000 : 0);
  for (int64_t i = 0; i < 20; i++) DONE(rheo_feed_put(file, i, observed, observed, 0));
  DONE(rheo_feed_close(&file, NULL));
  int word = 1; /* the trainer takes nothing before all others have got here */
  if (rank)
    MPI_Ssend(&word, 1, MPI_INT, 0, 5, MPI_COMM_WORLD);
  else
    for (int r = 1; r < size; r++) MPI_Recv(&word, 1, MPI_INT, r, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  if (rank) pthread_join(thread, NULL);
  assert_int_equal(putter.failed, 0);
  DONE(rheo_feed_close(&waits, NULL));
}

/* The host's communicator keeps its handler, and a model outlives it. */
static void communicator_of_the_host(void **state)
{
  MPI_Errhandler host, now;
  rheo_model *model;
  MPI_Comm comm;
  (void)state;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_ARE_FATAL);
  MPI_Comm_get_errhandler(comm, &host);
  DONE(rheo_model_load((int)MPI_Comm_c2f(comm), "embed_model.h5", &model));
  MPI_Comm_get_errhandler(comm, &now);
  assert_true(now == host);
  MPI_Errhandler_free(&host);
  MPI_Errhandler_free(&now);
  MPI_Comm_free(&comm); /* a model does not need it any more */
  rheo_workspace *work;
  const double bad[C] = {1, NAN, 2};
  double theta[D];
  DONE(rheo_workspace_create(model, &work));
  MISTAKE(rheo_sample(model, work, bad, 1, 0, 1, theta, NULL), "value 2");
  DONE(rheo_sample(model, work, observed, 1, 0, 1, theta, NULL));
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
}

static int start(void **state)
{
  (void)state;
  return rheo_embed_abi() != RHEO_EMBED_ABI || rheo_start();
}

static int end(void **state)
{
  (void)state;
  return rheo_end();
}

static void before_start(void **state)
{
  rheo_model *model = (rheo_model *)state;
  rheo_workspace *work = (rheo_workspace *)state;
  rheo_feed *feed = (rheo_feed *)state;
  int64_t rows = 7;
  MISTAKE(rheo_model_load(world(), "embed_model.h5", &model), "rheo_start");
  assert_null(model);
  MISTAKE(rheo_workspace_create(NULL, &work), "rheo_start");
  assert_null(work);
  MISTAKE(rheo_feed_to_file(world(), "feed.h5", "a", "1", 10, &feed), "rheo_start");
  assert_null(feed);
  feed = (rheo_feed *)state;
  MISTAKE(rheo_feed_to_trainers(world(), 1, "a", "1", 10, &feed), "rheo_start");
  assert_null(feed);
  MISTAKE(rheo_feed_train(NULL, "embed.yaml", "none.h5", &rows), "rheo_start");
  assert_int_equal(rows, 0);
  rows = 7;
  MISTAKE(rheo_feed_close(&feed, &rows), "rheo_start");
  assert_int_equal(rows, 0);
  MISTAKE(rheo_end(), "rheo_start");
}

#define STARTED(test) cmocka_unit_test_setup_teardown(test, start, end)
int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(before_start),
      STARTED(answers),
      STARTED(continuous),
      STARTED(mistakes),
      STARTED(threads),
      STARTED(floating_point),
      STARTED(into_a_file),
      STARTED(of_run),
      STARTED(uneven),
      STARTED(other_columns),
      STARTED(twice),
      STARTED(to_trainers),
      STARTED(pressure),
      STARTED(not_trained),
      STARTED(threads_that_put),
      STARTED(communicator_of_the_host),
  };
  int threads, failed;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &threads);
  failed = RUN_TESTS(argc, argv, tests);
  MPI_Finalize();
  return failed;
}
