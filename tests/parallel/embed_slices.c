/* What the ranks that train on a host's simulations hold: three of them about a third each of what one does, and the model is the
 * same. ranks: 4. timeout: 200 sanitize: yes */
#include "base/random.h"
#include "host.h"
#include <stdlib.h>

enum { ROWS = 60000, FEW = 6000, WIDE = 40, HEAD = 16, MANY = 10000 };

/* ---- All memory of PETSc's ---- */

static size_t held, most;
/* Requests while rows are collected, from the first that is `begin` bytes long: how many; which one is refused; the last that is
 * `end` bytes long. */
static int n_seen, fails_at, last;
static size_t begin, end, least = MANY; /* smaller requests do not count */

static int refused(size_t n)
{
  if (n == begin) n_seen = 1, begin = 0;
  if (begin || n < least) return 0;
  n_seen++;
  if (n == end) last = n_seen;
  return n_seen == fails_at;
}

static void count(size_t less, size_t more)
{
  held = held - less + more;
  if (held > most) most = held;
}

static PetscErrorCode take(size_t n, PetscBool clear, int line, const char function[], const char file[],
                           void **memory)
{
  char *block = refused(n) ? NULL : clear ? calloc(1, n + HEAD) : malloc(n + HEAD);
  (void)line, (void)function, (void)file;
  *memory = NULL;
  if (!block) return PETSC_ERR_MEM;
  memcpy(block, &n, sizeof n);
  count(0, n);
  *memory = block + HEAD;
  return RHEO_OK;
}

static PetscErrorCode leave(void *memory, int line, const char function[], const char file[])
{
  size_t n;
  (void)line, (void)function, (void)file;
  if (!memory) return RHEO_OK;
  memcpy(&n, (char *)memory - HEAD, sizeof n);
  count(n, 0);
  free((char *)memory - HEAD);
  return RHEO_OK;
}

static PetscErrorCode change(size_t n, int line, const char function[], const char file[], void **memory)
{
  size_t before;
  if (!*memory) return take(n, PETSC_FALSE, line, function, file, memory);
  memcpy(&before, (char *)*memory - HEAD, sizeof before);
  char *block = refused(n) ? NULL : realloc((char *)*memory - HEAD, n + HEAD);
  if (!block) return PETSC_ERR_MEM;
  memcpy(block, &n, sizeof n);
  count(before, n);
  *memory = block + HEAD;
  return RHEO_OK;
}

/* ---- Feeds ---- */

static void put_some(rheo_feed *feed, int n, int rank, int n_hosts)
{
  double theta[D], x[WIDE];
  for (int64_t i = rank; i < n; i += n_hosts) {
    RheoStream stream = RheoStreamMake(6, RHEO_STREAM_TEST, 0, (uint64_t)i);
    theta[0] = 1 + 2 * RheoStreamNormal(&stream);
    theta[1] = 0.2 + 3 * RheoStreamUniform(&stream);
    for (int k = 0; k < WIDE; k++) x[k] = theta[k % 2] + 0.3 * RheoStreamNormal(&stream);
    DONE(rheo_feed_put(feed, ROWS - i, theta, x, i % 1000 == 17));
  }
}

/* The most that a trainer held at a time, beyond what it had before. */
static double bytes_held(int n_trainers, int n, const char *path)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  const int is_trainer = rank >= size - n_trainers;
  rheo_feed *feed;
  double bytes = 0;
  int64_t rows;
  DONE(rheo_feed_to_trainers(HostWorld(), is_trainer, "a, b", "40", 64, &feed));
  const size_t before = most = held;
  if (is_trainer) {
    DONE(rheo_feed_train(feed, "slices.yaml", path, &rows));
    assert_int_equal(rows, n);
    bytes = (double)(most - before);
  } else {
    put_some(feed, n, rank, size - n_trainers);
  }
  DONE(rheo_feed_close(&feed, NULL));
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return bytes;
}

static void slices(void **state)
{
  const double raw = 8. * (D + WIDE) * ROWS;
  int size;
  (void)state;
  HostRank(MPI_COMM_WORLD, &size);
  assert_int_equal(size, 4);
  DONE(rheo_start());
  HostWriteDeck("slices.yaml", "seed: 3\n" HOST_PRIOR
                               "flow: {stack: [lu], repeat: 1}\ntrain: {batch: 1000, steps: 3, shards: 4}\n");
  const double few = bytes_held(1, 2000, "slices_few.h5"), one = bytes_held(1, ROWS, "slices_1.h5"),
               two = bytes_held(2, ROWS, "slices_2.h5"), three = bytes_held(3, ROWS, "slices_3.h5");
  print_message("few rows %.0f bytes; all on one %.0f, two %.0f, three %.0f\n", few, one, two, three);
  assert_true(few < 0.2 * one);
  assert_true(one > raw); /* it is the rows that are counted */
  /* Room for rows grows by half, and the exchange has rooms of its own, as few rows have. */
  const double held_by[] = {one, two, three};
  for (int k = 0; k < 3; k++) assert_true(held_by[k] < 1.6 * raw / (k + 1) + 2 * few);
  assert_true(three < 0.75 * raw);
  HostSameFiles("slices_1.h5", "slices_2.h5");
  HostSameFiles("slices_1.h5", "slices_3.h5");
  DONE(rheo_end());
}

/* One of three trainers is refused memory for its rows, each time a little later: all of them are told, nobody waits. */
static void one_is_short(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size), n_requests = 1;
  int64_t rows;
  (void)state;
  DONE(rheo_start());
  for (int k = 0; k <= n_requests; k++) { /* first a run that goes well */
    const size_t before = held;
    rheo_feed *feed;
    int code = RHEO_DONE;
    DONE(rheo_feed_to_trainers(HostWorld(), rank > 0, "a, b", "40", 64, &feed));
    fails_at = rank == 2 && k ? k + 1 : 0;
    begin = 64 / 4 * (2 + D + WIDE) * sizeof(double); /* the first message */
    end = (FEW - FEW / 1000) / 3 * WIDE *
          sizeof(float); /* data of this rank's rows, the last before training */
    if (rank > 0)
      code = rheo_feed_train(feed, "slices.yaml", "slices_short.h5", &rows);
    else
      put_some(feed, FEW, 0, 1);
    fails_at = 0;
    if (code) assert_non_null(strstr(rheo_error(), "no memory for the rows to train on"));
    assert_int_equal(code, k && rank > 0 ? RHEO_FAILURE : RHEO_DONE);
    DONE(rheo_feed_close(&feed, NULL));
    if (k && held > before + 4096) fail_msg("request %d: %zu bytes stay", k, held - before);
    last -= 1;
    if (!k) MPI_Bcast(&last, 1, MPI_INT, 2, MPI_COMM_WORLD), n_requests = last;
  }
  print_message("refused at each of %d requests\n", n_requests);
  assert_true(n_requests > 10);
  DONE(rheo_end());
}

/* ---- Opening and closing ---- */

/* Rank 1 is refused its k-th request from here on. */
static void refuse(int k)
{
  n_seen = 0;
  fails_at = HostRank(MPI_COMM_WORLD, &(int){0}) == 1 ? k : 0;
}

/* Whether it was; what came of the call is the same on all ranks. */
static int was_refused(int code)
{
  int was = fails_at && n_seen >= fails_at, worst = code, best = code;
  fails_at = 0;
  MPI_Bcast(&was, 1, MPI_INT, 1, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  assert_int_equal(worst, best);
  assert_int_equal(code != RHEO_DONE, was);
  if (code == RHEO_INPUT) print_message("%s\n", rheo_error());
  return was;
}

typedef enum { OPENS_FILE, CLOSES_FILE, OPENS_TRAINERS } Moment;

static int one_fails(Moment moment, int k)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size), code, was = 0;
  rheo_feed *feed;
  if (moment != CLOSES_FILE) refuse(k);
  code = moment == OPENS_TRAINERS ? rheo_feed_to_trainers(HostWorld(), rank > 1, "a, b", "40", 64, &feed)
                                  : rheo_feed_to_file(HostWorld(), "slices_feed.h5", "a, b", "40", 64, &feed);
  if (moment != CLOSES_FILE) was = was_refused(code);
  if (code) {
    assert_null(feed);
    return was;
  }
  if (moment != OPENS_TRAINERS) put_some(feed, 300, rank, size);
  if (moment == CLOSES_FILE) refuse(k);
  code = rheo_feed_close(&feed, NULL);
  assert_null(feed);
  if (moment == CLOSES_FILE)
    was = was_refused(code);
  else
    assert_int_equal(code, RHEO_DONE);
  return was;
}

static void one_is_short_of_little(void **state)
{
  (void)state;
  DONE(rheo_start());
  least = 36; /* above what PETSc asks for when an error handler is pushed */
  for (Moment moment = OPENS_FILE; moment <= OPENS_TRAINERS; moment++) {
    int k = 1;
    one_fails(moment, 0); /* what stays for the life of the program is there then */
    while (one_fails(moment, k)) k++;
    print_message("moment %d: refused at each of %d requests\n", (int)moment, k - 1);
    assert_true(k > 3);
  }
  least = MANY;
  DONE(rheo_end());
}

/* Before any row comes: a trainer has no memory for the posterior itself. */
static void one_has_no_posterior(void **state)
{
  int size, rank = HostRank(MPI_COMM_WORLD, &size);
  (void)state;
  DONE(rheo_start());
  for (int k = 1; k <= 3; k++) {
    rheo_feed *feed;
    int code = RHEO_DONE, was;
    DONE(rheo_feed_to_trainers(HostWorld(), rank > 0, "a, b", "40", 64, &feed));
    refuse(k);
    if (rank > 0)
      code = rheo_feed_train(feed, "slices.yaml", "slices_none.h5", NULL);
    else
      put_some(feed, FEW, 0, 1);
    was = fails_at && n_seen >= fails_at;
    fails_at = 0;
    MPI_Bcast(&was, 1, MPI_INT, 1, MPI_COMM_WORLD);
    assert_true(was);
    assert_int_equal(code, rank > 0 ? RHEO_FAILURE : RHEO_DONE);
    DONE(rheo_feed_close(&feed, NULL));
  }
  DONE(rheo_end());
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(slices), cmocka_unit_test(one_is_short),
                                     cmocka_unit_test(one_is_short_of_little),
                                     cmocka_unit_test(one_has_no_posterior)};
  if (PetscMallocSet(take, leave, change)) return 1;
  return RUN_TESTS(argc, argv, tests);
}
