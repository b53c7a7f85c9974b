/* Feeds of the interface for hosts, into files and to ranks that train; what trainers hold is in embed_slices.c.
 * ranks: 1 2 4. timeout: 240 sanitize: yes */
#include "base/random.h"
#include "host.h"
#include "io/table.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static void mistakes(void **state)
{
  const double theta[D] = {7, 7};
  rheo_feed *feed = (rheo_feed *)(void *)state; /* that it was set at all must show */
  int64_t rows = 7;
  MISTAKE(rheo_feed_to_file(HostWorld(), "no/such/folder.h5", "a", "1", 10, &feed), "folder there");
  assert_null(feed);
  MISTAKE(rheo_feed_to_file(HostWorld(), "", "a", "1", 10, &feed), "no name for a file");
  MISTAKE(rheo_feed_to_file(HostWorld(), "/tmp", "a", "1", 10, &feed), "no name for a file");
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a,,b", "1", 10, &feed), "'a,,b' is not a list");
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a, b,a", "1", 10, &feed),
          "parameters: 'a' is there twice");
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "x,x", 10, &feed), "data: 'x' is there twice");
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "0", 10, &feed), "0 columns");
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "1", 0, &feed), "at least 1 row");
  MISTAKE(rheo_feed_to_file(HostHandle(MPI_COMM_NULL), "feed.h5", "a", "1", 1, &feed), "MPI_COMM_NULL");
  MISTAKE(rheo_feed_to_trainers(HostWorld(), 1, "a", "1", 10, &feed), "one has to simulate");
  DONE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "1", 10, &feed));
  MISTAKE(rheo_feed_put(feed, -1, theta, theta, 0), "index");
  MISTAKE(rheo_feed_put(feed, INT64_MAX, theta, theta, 0), "index");
  MISTAKE(rheo_feed_put(NULL, 1, theta, theta, 0), "never opened");
  MISTAKE(rheo_feed_train(NULL, "no.yaml", "none.h5", NULL), "never opened");
  MISTAKE(rheo_feed_train(feed, "no.yaml", "none.h5", NULL), "opened to train");
  MISTAKE(rheo_feed_close(&feed, &rows), "no simulation was put");
  assert_null(feed);
  assert_int_equal(rows, 0);
  MISTAKE(rheo_feed_close(&feed, NULL), "is closed");
}

/* A mistake of one rank's is told to all. */
static void mistakes_of_one(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  const char *hint = rank == 1 ? "at least 1 row" : "another rank";
  rheo_feed *feed;
  (void)state;
  if (size == 1) skip();
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "1", rank != 1, &feed), hint);
  assert_null(feed);
  MISTAKE(rheo_feed_to_trainers(HostWorld(), rank == 0, "a", "1", rank != 1, &feed), hint);
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed.h5", rank == 1 ? "a,,b" : "a,b", "1", 3, &feed),
          rank == 1 ? "is not a list" : "another rank");
  FAILS(rheo_feed_to_file(HostWorld(), "feed.h5", "a", "1000", rank == 1 ? INT32_MAX : 3, &feed),
        RHEO_FAILURE, "no memory");
  FAILS(rheo_feed_to_trainers(HostWorld(), rank == 0, "a", "1000", rank == 1 ? INT32_MAX : 3, &feed),
        RHEO_FAILURE, "no memory");
  assert_null(feed);
}

/* ---- Into a file ---- */

/* This rank's simulations, not in order, until a put fails: its code. */
static int put_until(rheo_feed *feed, int rank, int size)
{
  double theta[D], x[C];
  int code = RHEO_DONE;
  for (int64_t k = 0; k < N && !code; k++) {
    const int64_t i = k * 37 % N;
    if (i % size != rank) continue;
    HostSimulate(i, theta, x);
    if (i == 17) x[1] = INFINITY;
    code = rheo_feed_put(feed, i < 300 ? i : i + 100000000000, theta, x, i == 30);
  }
  return code;
}

static void put_all(rheo_feed *feed, int rank, int size)
{
  DONE(put_until(feed, rank, size));
}

static void feed_file(MPI_Comm comm, const char *path, int capacity)
{
  rheo_feed *feed;
  int64_t rows;
  int size, rank = HostRank(comm, &size);
  DONE(rheo_feed_to_file(HostHandle(comm), path, "a, b", "3", capacity, &feed));
  put_all(feed, rank, size);
  DONE(rheo_feed_close(&feed, &rows));
  assert_null(feed);
  assert_int_equal(rows, N);
}

static void into_a_file(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  RheoTable *table;
  (void)state;
  feed_file(MPI_COMM_WORLD, "feed_all.h5", 7);
  if (rank == 0) feed_file(MPI_COMM_SELF, "feed_one.h5", 1000);
  MPI_Barrier(MPI_COMM_WORLD);
  HostSameFiles("feed_all.h5", "feed_one.h5");
  OK(RheoTableRead(PETSC_COMM_WORLD, "feed_all.h5", "dataset", PETSC_TRUE, &table));
  const RheoBlock *t = RheoTableBlock(table, "parameters"), *d = RheoTableBlock(table, "data"),
                  *s = RheoTableBlock(table, "status");
  assert_true(table->n == N && t->width == D && d->width == C);
  assert_string_equal(t->columns[1], "b");
  assert_string_equal(d->columns[2], "x3");
  for (int64_t i = 0; i < N; i++) {
    double theta[D], x[C];
    HostSimulate(i, theta, x);
    assert_memory_equal(theta, t->value + i * D, sizeof theta);
    assert_true(s->value[i] == (i == 17 ? RHEO_SIMULATION_NOT_FINITE : i == 30 ? RHEO_SIMULATION_FAILED : 0));
    if (s->value[i] == 0)
      assert_memory_equal(x, d->value + i * C, sizeof x);
    else
      assert_true(isnan(d->value[i * C]));
  }
  OK(RheoTableDestroy(&table));
}

/* What lies beside a feed's file under any name is nobody's but its owner's. */
static void links(void **state)
{
  static const char *const names[] = {"feed_links.h5.feed0.tmp", "feed_links.h5.sort0.tmp"};
  char text[16] = "";
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  (void)state;
  HostWriteDeck("feed_precious", "precious");
  for (int k = 0; k < 2 && !rank; k++) (void)!symlink("feed_precious", names[k]);
  MPI_Barrier(MPI_COMM_WORLD);
  rheo_feed *feed;
  DONE(rheo_feed_to_file(HostWorld(), "feed_links.h5", "a, b", "3", 7, &feed));
  put_all(feed, rank, size);
  DONE(rheo_feed_close(&feed, NULL));
  FILE *file = fopen("feed_precious", "r");
  assert_non_null(file);
  assert_non_null(fgets(text, sizeof text, file));
  fclose(file);
  assert_string_equal(text, "precious");
  MPI_Barrier(MPI_COMM_WORLD);
  for (int k = 0; k < 2 && !rank; k++) unlink(names[k]);
}

/* Each rank has a capacity of its own: what the roomiest sends at once must not run over in the others. */
static void uneven(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  (void)state;
  feed_file(MPI_COMM_WORLD, "feed_uneven.h5", rank ? 1 : 1000);
  if (rank == 0) feed_file(MPI_COMM_SELF, "feed_even.h5", 1000);
  MPI_Barrier(MPI_COMM_WORLD);
  HostSameFiles("feed_uneven.h5", "feed_even.h5");
}

static void other_columns(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  if (size == 1) skip();
  MISTAKE(rheo_feed_to_file(HostWorld(), "feed_other.h5", rank ? "a, b" : "a", "3", 4, &feed),
          "different parameters");
  assert_null(feed);
  MISTAKE(rheo_feed_to_trainers(HostWorld(), rank, "a, b", rank ? "x, y" : "x, z", 4, &feed),
          "different parameters");
  assert_null(feed);
}

static void twice(void **state)
{
  const double theta[D] = {1, 1}, x[C] = {1, 2, 3};
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  DONE(rheo_feed_to_file(HostWorld(), "feed_twice.h5", "2", "3", 4, &feed));
  for (int64_t i = 0; i < 20; i++) DONE(rheo_feed_put(feed, rank * 20 + i, theta, x, 0));
  if (rank == size - 1) DONE(rheo_feed_put(feed, 11, theta, x, 0));
  MISTAKE(rheo_feed_close(&feed, NULL), "simulation 11 was put more than once");
  assert_null(fopen("feed_twice.h5", "r"));
}

/* ---- A machine that fails ---- */

static void limit_files(rlim_t bytes)
{
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes ? bytes : limit.rlim_max;
  signal(SIGXFSZ, SIG_IGN); /* then writing fails, as on a full disk */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk of one rank is full, while rows come or not before the feed is closed: all hear of it, nothing is left, and the next file
 * may be written. */
static void full_disk(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  (void)state;
  for (int late = 0; late < 2; late++) {
    rheo_feed *feed;
    int64_t rows = 7;
    DONE(rheo_feed_to_file(HostWorld(), "feed_full.h5", "a, b", "3", late ? N : 3, &feed));
    if (rank == size - 1) limit_files(1000);
    const int put = put_until(feed, rank, size), closed = rheo_feed_close(&feed, &rows);
    limit_files(0);
    assert_int_equal(put, late || rank < size - 1 ? RHEO_DONE : RHEO_FAILURE);
    FAILS(closed, RHEO_FAILURE, "feed_full.h5: rows cannot be kept");
    assert_true(!feed && !rows);
    assert_int_equal(access("feed_full.h5", F_OK), -1);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  feed_file(MPI_COMM_WORLD, "feed_full.h5", 7);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) assert_int_equal(unlink("feed_full.h5"), 0);
}

/* ---- To ranks that train ---- */

/* The rows of put_all, in order. */
static void reference(const char *path)
{
  static double theta[N * D], x[N * C];
  for (int64_t i = 0; i < N; i++) {
    HostSimulate(i, theta + i * D, x + i * C);
    if (i == 17 || i == 30) x[i * C + 1] = NAN;
  }
  OK(RheoPosteriorDestroy(&(RheoPosterior){HostTrained(HOST_DECK(""), N, theta, x, path)}));
}

/* All but the last n_trainers ranks simulate; of those only the first n_putting do put something. */
static void fed(int n_trainers, int n_putting, int capacity, const char *path)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  const int is_trainer = rank >= size - n_trainers;
  rheo_feed *feed;
  int64_t rows;
  DONE(rheo_feed_to_trainers(HostWorld(), is_trainer, "a, b", "3", capacity, &feed));
  if (is_trainer) {
    DONE(rheo_feed_train(feed, "feed_deck.yaml", path, &rows));
    assert_int_equal(rows, N);
  } else if (rank < n_putting) {
    put_all(feed, rank, n_putting);
  }
  DONE(rheo_feed_close(&feed, &rows));
  MPI_Barrier(MPI_COMM_WORLD);
}

/* Whoever simulates and whoever trains, and however many of either, and whatever of them gets rows at all: the model is that of a
 * training on the same rows in order. */
static void to_trainers(void **state)
{
  int size;
  (void)state;
  HostRank(MPI_COMM_WORLD, &size);
  reference("feed_reference.h5");
  HostWriteDeck("feed_deck.yaml", HOST_DECK_OF_RUN);
  for (int n_trainers = 1; n_trainers < size; n_trainers++) {
    fed(n_trainers, size - n_trainers, 10, "feed_fed.h5");
    HostSameFiles("feed_reference.h5", "feed_fed.h5");
    fed(n_trainers, 1, 4 * N, "feed_at_once.h5"); /* one message, to one trainer */
    HostSameFiles("feed_reference.h5", "feed_at_once.h5");
  }
}

static void mistakes_of_trainers(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  const int is_trainer = rank != 0;
  rheo_feed *feed;
  int64_t rows;
  (void)state;
  if (size == 1) skip();
  HostWriteDeck("feed_wrong.yaml", "prior: {a: {family: normal, mean: 1, sd: 2}}\ntrain: {batsch: 3}\n");
  DONE(rheo_feed_to_trainers(HostWorld(), is_trainer, "a, b", "3", 10, &feed));
  if (is_trainer) {
    MISTAKE(rheo_feed_train(feed, "feed_wrong.yaml", "none.h5", NULL), "train.batsch");
    MISTAKE(rheo_feed_train(feed, "feed_deck.yaml", "no/folder/none.h5", NULL), "no model can be written");
    MISTAKE(rheo_feed_train(feed, rank == size - 1 ? NULL : "feed_deck.yaml", "none.h5", NULL), "every rank");
    MISTAKE(rheo_feed_put(feed, 0, HostObserved, HostObserved, 0), "nothing to put");
    DONE(rheo_feed_train(feed, "feed_deck.yaml", "feed_once.h5", &rows));
    assert_int_equal(rows, N);
    MISTAKE(rheo_feed_train(feed, "feed_deck.yaml", "feed_once.h5", &rows), "already");
  } else {
    put_all(feed, 0, 1);
    MISTAKE(rheo_feed_train(feed, "feed_deck.yaml", "none.h5", NULL), "opened to train");
  }
  DONE(rheo_feed_close(&feed, &rows));
  assert_int_equal(rows, is_trainer ? 0 : N);
}

/* Of few rows, with some indices twice, one of them that of a row that cannot be used; and of none that can. */
static void twice_to_trainers(void **state)
{
  const int64_t index[] = {70, 5, 9, 70, 1, 9, 3};
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  if (size == 1) skip();
  for (int usable = 0; usable < 2; usable++) {
    DONE(rheo_feed_to_trainers(HostWorld(), rank > 0, "a, b", "3", 1, &feed));
    for (int k = 0; !rank && k < (usable ? 7 : 3); k++)
      DONE(rheo_feed_put(feed, index[k], HostObserved, HostObserved, !usable || k == 2));
    if (rank && usable)
      MISTAKE(rheo_feed_train(feed, "feed_deck.yaml", "none.h5", NULL),
              "simulation 9 was put more than once");
    if (rank && !usable) MISTAKE(rheo_feed_train(feed, "feed_deck.yaml", "none.h5", NULL), "0 usable");
    DONE(rheo_feed_close(&feed, NULL));
  }
}

/* As long as no trainer takes rows, no more than capacity of them leave; then all of them arrive. */
static void pressure(void **state)
{
  enum { CAPACITY = 8 };
  int size, rank = HostRank(MPI_COMM_WORLD, &size), n = 0, code = 0;
  const int is_trainer = rank == 0;
  double theta[D], x[C];
  rheo_feed *feed;
  (void)state;
  if (size == 1) return;
  DONE(rheo_feed_to_trainers(HostWorld(), is_trainer, "a, b", "3", CAPACITY, &feed));
  if (!is_trainer)
    for (n = 0; n < 1000 && !code; n += !code) {
      const int64_t i = rank + (int64_t)n * size;
      HostSimulate(i, theta, x);
      code = rheo_feed_try_put(feed, i, theta, x, 0);
    }
  MPI_Barrier(MPI_COMM_WORLD); /* now the trainer may begin */
  if (!is_trainer) {
    assert_int_equal(code, RHEO_BUSY);
    assert_int_equal(n, CAPACITY);
    for (; n < 100; n++) {
      HostSimulate(rank + (int64_t)n * size, theta, x);
      DONE(rheo_feed_put(feed, rank + (int64_t)n * size, theta, x, 0));
    }
  } else {
    int64_t rows;
    DONE(rheo_feed_train(feed, "feed_deck.yaml", "feed_pressed.h5", &rows));
    assert_int_equal(rows, 100 * (size - 1));
  }
  DONE(rheo_feed_close(&feed, NULL));
}

/* A trainer that does not train holds nobody up. */
static void not_trained(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  rheo_feed *feed;
  (void)state;
  if (size == 1) return;
  DONE(rheo_feed_to_trainers(HostWorld(), rank == 0, "2", "3", 4, &feed));
  for (int64_t i = 0; i < 50 && rank; i++)
    DONE(rheo_feed_put(feed, rank * 50 + i, HostObserved, HostObserved, 0));
  DONE(rheo_feed_close(&feed, NULL));
}

typedef struct {
  rheo_feed *feed;
  int failed;
} Putter;

static void *put_many(void *context)
{
  Putter *p = context;
  for (int64_t i = 0; i < 40 && !p->failed; i++)
    p->failed = rheo_feed_put(p->feed, i, HostObserved, HostObserved, 0);
  return NULL;
}

/* A thread that waits for a trainer must let others work: here the trainer takes nothing until they have. */
static void threads_that_put(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size), threads = 0;
  rheo_feed *waits, *file;
  pthread_t thread;
  Putter putter = {0};
  char path[40];
  (void)state;
  MPI_Query_thread(&threads);
  if (size == 1 || threads < MPI_THREAD_MULTIPLE) skip();
  snprintf(path, sizeof path, "feed_of_%d.h5", rank);
  DONE(rheo_feed_to_trainers(HostWorld(), rank == 0, "2", "3", 4, &waits));
  putter.feed = waits;
  if (rank) assert_int_equal(pthread_create(&thread, NULL, put_many, &putter), 0);
  DONE(rheo_feed_to_file(HostHandle(MPI_COMM_SELF), path, "2", "3", 4, &file));
  usleep(rank ? 100000 : 0);
  for (int64_t i = 0; i < 20; i++) DONE(rheo_feed_put(file, i, HostObserved, HostObserved, 0));
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

static int start(void **state)
{
  (void)state;
  return rheo_start();
}

static int end(void **state)
{
  (void)state;
  return rheo_end();
}

#define STARTED(test) cmocka_unit_test_setup_teardown(test, start, end)
int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      STARTED(mistakes),
      STARTED(mistakes_of_one),
      STARTED(into_a_file),
      STARTED(links),
      STARTED(uneven),
      STARTED(other_columns),
      STARTED(twice),
      STARTED(full_disk),
      STARTED(to_trainers),
      STARTED(mistakes_of_trainers),
      STARTED(twice_to_trainers),
      STARTED(pressure),
      STARTED(not_trained),
      STARTED(threads_that_put),
  };
  int threads, failed;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &threads);
  failed = RUN_TESTS(argc, argv, tests);
  MPI_Finalize();
  return failed;
}
