/* The interface for hosts: what a model answers, on any rank, from any thread and with any habits of floating point. Feeds are in
 * embed_feed.c. ranks: 1 2 4. timeout: 240 sanitize: yes */
#include "base/checksum.h"
#include "host.h"
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* A trained model, in path, and as it was trained. */
static RheoPosterior trained(const char *text, const char *path)
{
  static double theta[N * D], x[N * C];
  for (int64_t i = 0; i < N; i++) HostSimulate(i, theta + i * D, x + i * C);
  return HostTrained(text, N, theta, x, path);
}

static void answers(void **state)
{
  enum { M = 300 };
  static double theta[M * D], lp[M], right[M * D], right_lp[M], again[M];
  RheoPosterior posterior = trained(HOST_DECK(""), "embed_model.h5");
  rheo_model *model;
  rheo_workspace *work;
  (void)state;
  DONE(rheo_model_load(HostWorld(), "embed_model.h5", &model));
  assert_int_equal(rheo_model_parameters(model), D);
  assert_int_equal(rheo_model_data(model), C);
  assert_string_equal(rheo_model_parameter_name(model, 1), "b");
  assert_null(rheo_model_parameter_name(model, D));
  DONE(rheo_workspace_create(model, &work));
  OK(RheoPosteriorSample(posterior, HostObserved, 9, 1000, M, right, right_lp));
  DONE(rheo_sample(model, work, HostObserved, 9, 1000, M, theta, lp));
  assert_memory_equal(theta, right, sizeof theta);
  assert_memory_equal(lp, right_lp, sizeof lp);
  for (int i = M - 1; i >= 0; i -= 7) { /* one by one, without densities */
    DONE(rheo_sample(model, work, HostObserved, 9, 1000 + i, 1, theta, NULL));
    assert_memory_equal(theta, right + i * D, D * sizeof *theta);
  }
  memcpy(theta, right, sizeof theta);
  theta[2 * D + 1] = -1; /* no b is */
  OK(RheoPosteriorLogProb(posterior, M, theta, HostObserved, PETSC_TRUE, right_lp));
  DONE(rheo_log_prob(model, work, HostObserved, M, theta, again));
  assert_memory_equal(again, right_lp, sizeof again);
  assert_true(again[2] == -INFINITY && isfinite(again[3]) && fabs(again[3] - lp[3]) < 1e-3);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  assert_null(model);
  OK(RheoPosteriorDestroy(&posterior));
}

static void observed_with(double bad, rheo_model *model, rheo_workspace *work)
{
  double theta[D], x[C] = {HostObserved[0], HostObserved[1], bad};
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
  (void)state;
  posterior =
      trained("seed: 3\nestimator: fmpe\n" HOST_PRIOR "cnf: {net: {type: mlp, hidden: 16, layers: 2}}\n"
              "train: {batch: 50, epochs: 2, shards: 4}\n",
              "embed_cnf.h5");
  DONE(rheo_model_load(HostWorld(), "embed_cnf.h5", &model));
  DONE(rheo_workspace_create(model, &work));
  OK(RheoPosteriorSample(posterior, HostObserved, 4, 7, M, right, right_lp));
  DONE(rheo_sample(model, work, HostObserved, 4, 7, M, theta, lp));
  assert_memory_equal(theta, right, sizeof theta);
  assert_memory_equal(lp, right_lp, sizeof lp);
  DONE(rheo_sample(model, work, HostObserved, 4, 8, 1, theta, lp));
  assert_memory_equal(theta, right + D, D * sizeof *theta);
  DONE(rheo_log_prob(model, work, HostObserved, M, right, lp));
  for (int i = 0; i < M; i++) assert_true(fabs(lp[i] - right_lp[i]) < 0.05);
  observed_with(NAN, model, work);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  OK(RheoPosteriorDestroy(&posterior));
}

/* Options of PETSc's in the deck of one model are not those of another, nor of a deck that is refused. */
static void options_of_its_own(void **state)
{
#define OF_CNF                                                                                               \
  "seed: 3\nestimator: fmpe\n" HOST_PRIOR                                                                    \
  "cnf: {net: {type: mlp, hidden: 16, layers: 2}}\ntrain: {batch: 50, epochs: 2, shards: 4}\n"
  double alone[D], theta[D], loose[D];
  RheoPosterior plain, other;
  rheo_model *model, *second;
  rheo_workspace *work, *second_work;
  (void)state;
  plain = trained(OF_CNF, "embed_plain.h5");
  DONE(rheo_model_load(HostWorld(), "embed_plain.h5", &model));
  DONE(rheo_workspace_create(model, &work));
  DONE(rheo_sample(model, work, HostObserved, 4, 7, 1, alone, NULL));
  other = trained(OF_CNF "ts: {rtol: 0.3, atol: 0.3}\n", "embed_loose.h5");
  PetscOptionsClear(NULL); /* of this program's own, which trained it */
  DONE(rheo_model_load(HostWorld(), "embed_loose.h5", &second));
  DONE(rheo_workspace_create(second, &second_work));
  DONE(rheo_sample(second, second_work, HostObserved, 4, 7, 1, loose, NULL));
  assert_true(memcmp(alone, loose, sizeof loose));
  DONE(rheo_sample(model, work, HostObserved, 4, 7, 1, theta, NULL));
  assert_memory_equal(theta, alone, sizeof theta);
  DONE(rheo_sample(second, second_work, HostObserved, 4, 7, 1, theta, NULL));
  assert_memory_equal(theta, loose, sizeof theta);
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_workspace_destroy(&second_work));
  DONE(rheo_model_destroy(&model));
  DONE(rheo_model_destroy(&second));
  OK(RheoPosteriorDestroy(&plain));
  OK(RheoPosteriorDestroy(&other));
}

static void mistakes(void **state)
{
  const double bad[C] = {1, NAN, 2};
  double theta[D] = {7, 7};
  char text[40];
  rheo_model *model = (rheo_model *)(void *)text, *other; /* that it was set at all must show */
  rheo_workspace *work;
  (void)state;
  MISTAKE(rheo_model_load(HostWorld(), "nowhere.h5", &model), "nowhere.h5");
  assert_null(model);
  rheo_error_text(text, sizeof text);
  assert_int_equal(strlen(text), sizeof text - 1);
  assert_memory_equal(text, "nowhere.h5", 10);
  MISTAKE(rheo_model_load(HostWorld(), "embed_model.h5.yaml", &model), "embed_model.h5.yaml");
  DONE(rheo_model_load(HostWorld(), "embed_model.h5", &model));
  DONE(rheo_model_load(HostWorld(), "embed_model.h5", &other));
  DONE(rheo_workspace_create(model, &work));
  MISTAKE(rheo_sample(model, work, bad, 1, 0, 1, theta, NULL), "value 2 of the observation, nan");
  assert_true(theta[0] == 7);
  MISTAKE(rheo_log_prob(model, work, bad, 1, theta, theta), "value 2");
  MISTAKE(rheo_sample(model, work, HostObserved, -1, 0, 1, theta, NULL), "seed");
  MISTAKE(rheo_sample(other, work, HostObserved, 1, 0, 1, theta, NULL), "another model");
  DONE(rheo_workspace_destroy(&work));
  DONE(rheo_model_destroy(&model));
  DONE(rheo_model_destroy(&other));
  MISTAKE(rheo_model_load(HostHandle(MPI_COMM_NULL), "embed_model.h5", &other), "MPI_COMM_NULL");
  assert_null(other);
}

/* ---- Threads and floating point ---- */

enum { THREADS = 4 };

/* A sample, its log-density, and that of another place. */
typedef double Answer[D + 2];

typedef struct {
  const rheo_model *model;
  int first, step, n;
  Answer *answer;
  int failed;
} Share;

static void *ask(void *context)
{
  Share *s = context;
  rheo_workspace *work;
  s->failed = rheo_workspace_create(s->model, &work);
  for (int i = s->first; i < s->n && !s->failed; i += s->step) {
    const double x[C] = {1 + 0.001 * i, 0.4, 3}, place[D] = {0.002 * i, 0.5};
    double *answer = s->answer[i];
    s->failed = rheo_sample(s->model, work, x, 2, i, 1, answer, &answer[D]);
    if (!s->failed) s->failed = rheo_log_prob(s->model, work, x, 1, place, &answer[D + 1]);
  }
  if (!s->failed) s->failed = rheo_workspace_destroy(&work);
  return NULL;
}

/* Of any number of threads on any rank. */
static void same_answers(const char *path, int n)
{
  Answer *one = calloc((size_t)n, sizeof *one), *many = calloc((size_t)n, sizeof *many);
  const size_t bytes = (size_t)n * sizeof *one;
  pthread_t thread[THREADS];
  Share share[THREADS];
  rheo_model *model;
  assert_true(one && many);
  DONE(rheo_model_load(HostWorld(), path, &model));
  Share alone = {model, 0, 1, n, one, 0};
  ask(&alone);
  assert_int_equal(alone.failed, 0);
  for (int t = 0; t < THREADS; t++) {
    share[t] = (Share){model, t, THREADS, n, many, 0};
    assert_int_equal(pthread_create(&thread[t], NULL, ask, &share[t]), 0);
  }
  for (int t = 0; t < THREADS; t++) {
    pthread_join(thread[t], NULL);
    assert_int_equal(share[t].failed, 0);
  }
  assert_memory_equal(one, many, bytes);
  for (int k = 0; k < D + 2; k++) assert_true(isfinite(one[0][k]) && one[0][k] != one[1][k]);
  uint64_t ends[2] = {RheoChecksum(RHEO_CHECKSUM_START, many, bytes)};
  ends[1] = ~ends[0];
  MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
  assert_true(ends[0] == ~ends[1]);
  DONE(rheo_model_destroy(&model));
  free(one);
  free(many);
}

static void threads(void **state)
{
  (void)state;
  same_answers("embed_model.h5", 2000);
}

/* They take turns. */
static void threads_of_a_continuous_flow(void **state)
{
  int provided;
  (void)state;
  MPI_Query_thread(&provided);
  if (provided < MPI_THREAD_SERIALIZED) skip();
  same_answers("embed_cnf.h5", 40);
}

static void floating_point(void **state)
{
  double right[8 * D], theta[8 * D], lp[8];
  rheo_model *model;
  rheo_workspace *work;
  (void)state;
  DONE(rheo_model_load(HostWorld(), "embed_model.h5", &model));
  DONE(rheo_workspace_create(model, &work));
  DONE(rheo_sample(model, work, HostObserved, 1, 0, 8, right, NULL));
  fenv_t before;
  fegetenv(&before);
  feclearexcept(FE_ALL_EXCEPT);
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT);
  fesetround(FE_UPWARD);
  const int sampled = rheo_sample(model, work, HostObserved, 1, 0, 8, theta, NULL);
  const int evaluated = rheo_log_prob(model, work, HostObserved, 8, theta, lp);
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

/* What only says how a run goes is no part of a model, nor does it hinder whoever reads no such keys. */
static void of_run(void **state)
{
  (void)state;
  OK(RheoPosteriorDestroy(&(RheoPosterior){trained(HOST_DECK(""), "embed_model.h5")}));
  OK(RheoPosteriorDestroy(&(RheoPosterior){trained(HOST_DECK_OF_RUN, "embed_of_run.h5")}));
  HostSameFiles("embed_model.h5", "embed_of_run.h5");
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
  DONE(rheo_model_load(HostHandle(comm), "embed_model.h5", &model));
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
  DONE(rheo_sample(model, work, HostObserved, 1, 0, 1, theta, NULL));
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
  MISTAKE(rheo_model_load(HostWorld(), "embed_model.h5", &model), "rheo_start");
  assert_null(model);
  MISTAKE(rheo_workspace_create(NULL, &work), "rheo_start");
  assert_null(work);
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "1", 10, &feed), "rheo_start");
  assert_null(feed);
  feed = (rheo_feed *)state;
  MISTAKE(rheo_feed_to_trainers(HostWorld(), 1, "a", "1", 10, &feed), "rheo_start");
  assert_null(feed);
  MISTAKE(rheo_feed_train(NULL, "no.yaml", "none.h5", &rows), "rheo_start");
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
      cmocka_unit_test(before_start),        STARTED(answers),        STARTED(continuous),
      STARTED(options_of_its_own),           STARTED(mistakes),       STARTED(threads),
      STARTED(threads_of_a_continuous_flow), STARTED(floating_point), STARTED(of_run),
      STARTED(communicator_of_the_host),
  };
  int threads, failed;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &threads);
  failed = RUN_TESTS(argc, argv, tests);
  MPI_Finalize();
  return failed;
}
