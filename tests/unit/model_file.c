/* Model files: what is written is read, bit by bit and on every rank; a file that is cut short or has any byte changed is
 * refused or reads the same, never a crash and never another model. ranks: 1 2
 * timeout: 120 */
#include "train/model_file.h"
#include "base/provenance.h"
#include "base/random.h"
#include "check.h"
#include <hdf5.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char Deck[] = "seed: 7\nprior: {a: {family: uniform, lower: -1, upper: 3}}\n";
static double Sizes[2] = {3, 14}, Other[1] = {-0.5};

static void Fill(RheoParams params, size_t n, int64_t epochs, RheoModelFile *m)
{
  const size_t bytes = (n + 1) * sizeof(float);
  m->params = params;
  m->values = malloc(bytes);
  m->m = malloc(bytes);
  m->v = malloc(bytes);
  for (size_t i = 0; i < n; i++) {
    RheoStream stream = RheoStreamMake(3, RHEO_STREAM_TEST, 0, i);
    m->values[i] = (float)RheoStreamNormal(&stream);
    m->m[i] = (float)RheoStreamNormal(&stream);
    m->v[i] = (float)RheoStreamUniform(&stream);
  }
  double **series[] = {&m->history.epoch,           &m->history.step, &m->history.train_loss,
                       &m->history.validation_loss, &m->history.lr,   &m->history.gradient_norm};
  m->history.n = epochs;
  for (int s = 0; s < 6; s++) {
    OK(PetscMalloc1(epochs + 1, series[s]));
    for (int64_t i = 0; i < epochs; i++) (*series[s])[i] = s == 3 ? NAN : (double)i / (s + 1);
  }
}

/* A model of a few parameters of all kinds. */
static RheoModelFile Make(int64_t epochs)
{
  RheoParams params;
  RheoProgram program;
  OK(RheoParamsCreate(&params));
  OK(RheoProgramCreate(4, &program));
  rx_param(program, params, "flow/0/weight", RX_SHAPE(3, 5), (RheoInit){0});
  rx_param(program, params, "flow/0/bias", RX_SHAPE(5), (RheoInit){.no_decay = 1});
  rx_param(program, params, "flow/shift", RX_SHAPE(1), (RheoInit){.frozen = 1});
  rx_param(program, params, "flow/cube", RX_SHAPE(2, 3, 2, 2), (RheoInit){0});
  OK(RheoProgramDestroy(&program));
  RheoModelFile model = {.estimator = "npe", .deck = Deck, .step = 1234567890123, .n_extras = 2};
  Fill(params, RheoParamsSize(params), epochs, &model);
  model.extra[0] = (RheoExtra){"sizes", 2, Sizes};
  model.extra[1] = (RheoExtra){"other", 1, Other};
  return model;
}

static void Free(RheoModelFile *model)
{
  model->n_extras = 0; /* not the file's memory */
  OK(RheoModelFileFree(model));
}

static int SameSeries(const RheoHistory *a, const RheoHistory *b)
{
  const double *u[] = {a->epoch, a->step, a->train_loss, a->validation_loss, a->lr, a->gradient_norm};
  const double *v[] = {b->epoch, b->step, b->train_loss, b->validation_loss, b->lr, b->gradient_norm};
  if (a->n != b->n) return 0;
  for (int s = 0; s < 6; s++)
    if (memcmp(u[s], v[s], (size_t)a->n * sizeof(double))) return 0;
  return 1;
}

static int SameLayout(RheoParams a, RheoParams b)
{
  if (RheoParamsCount(a) != RheoParamsCount(b) || RheoParamsSize(a) != RheoParamsSize(b)) return 0;
  for (int i = 0; i < RheoParamsCount(a); i++) {
    const RheoParamView *u = RheoParamsView(a, i), *v = RheoParamsView(b, i);
    if (strcmp(u->name, v->name) || !RheoShapeSame(u->shape, v->shape) || u->offset != v->offset ||
        u->size != v->size || !u->init.frozen != !v->init.frozen || !u->init.no_decay != !v->init.no_decay)
      return 0;
  }
  return 1;
}

static int SameExtras(const RheoModelFile *a, const RheoModelFile *b)
{
  if (a->n_extras != b->n_extras) return 0;
  for (int i = 0; i < a->n_extras; i++) {
    const RheoExtra *found = NULL, *e = &a->extra[i];
    for (int k = 0; k < b->n_extras; k++)
      if (!strcmp(e->name, b->extra[k].name)) found = &b->extra[k];
    if (!found || found->n != e->n || memcmp(found->value, e->value, (size_t)e->n * sizeof(double))) return 0;
  }
  return 1;
}

static int Same(const RheoModelFile *a, const RheoModelFile *b)
{
  const size_t bytes = RheoParamsSize(a->params) * sizeof(float);
  if (!SameLayout(a->params, b->params) || !a->m != !b->m || !a->v != !b->v) return 0;
  return !strcmp(a->estimator, b->estimator) && !strcmp(a->deck, b->deck) && a->step == b->step &&
         !memcmp(a->values, b->values, bytes) && (!a->m || !memcmp(a->m, b->m, bytes)) &&
         (!a->v || !memcmp(a->v, b->v, bytes)) && SameSeries(&a->history, &b->history) && SameExtras(a, b);
}

static void RoundTrip(void **state)
{
  (void)state;
  for (int64_t epochs = 0; epochs < 40; epochs += 13) {
    RheoModelFile written = Make(epochs), read;
    OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &written));
    OK(RheoModelRead(PETSC_COMM_WORLD, "model.h5", &read));
    assert_true(Same(&written, &read));
    assert_true(RheoModelChecksum(&written) == RheoModelChecksum(&read));
    written.values[3] = nextafterf(written.values[3], 9);
    assert_false(Same(&written, &read));
    assert_true(RheoModelChecksum(&written) != RheoModelChecksum(&read));
    OK(RheoModelFileFree(&read));
    Free(&written);
  }
}

/* Of the history too: each number of each of its series. A file that holds another one prints another value. */
static void ChecksumSeesTheHistory(void **state)
{
  enum { EPOCHS = 3 };
  (void)state;
  RheoModelFile model = Make(EPOCHS), read;
  RheoHistory *h = &model.history;
  double *series[] = {h->epoch, h->step, h->train_loss, h->validation_loss, h->lr, h->gradient_norm};
  const uint64_t sum = RheoModelChecksum(&model);
  for (int s = 0; s < 6; s++)
    for (int i = 0; i < EPOCHS; i++) {
      const double kept = series[s][i];
      series[s][i] = 1e-3;
      assert_true(RheoModelChecksum(&model) != sum);
      series[s][i] = kept;
      assert_true(RheoModelChecksum(&model) == sum);
    }
  h->validation_loss[1] = 0.25;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &model));
  OK(RheoModelRead(PETSC_COMM_WORLD, "model.h5", &read));
  assert_true(RheoModelChecksum(&read) == RheoModelChecksum(&model) && RheoModelChecksum(&read) != sum);
  h->n--; /* an epoch less */
  assert_true(RheoModelChecksum(&model) != RheoModelChecksum(&read));
  h->n++;
  OK(RheoModelFileFree(&read));
  Free(&model);
}

static void WithoutOptimiser(void **state)
{
  (void)state;
  RheoModelFile written = Make(1), read;
  free(written.m);
  free(written.v);
  written.m = written.v = NULL;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &written));
  OK(RheoModelRead(PETSC_COMM_WORLD, "model.h5", &read));
  assert_null(read.m);
  assert_true(Same(&written, &read));
  OK(RheoModelFileFree(&read));
  Free(&written);
}

static long ReadBytes(const char *path, char **bytes)
{
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  const long n = ftell(file);
  *bytes = malloc((size_t)n);
  rewind(file);
  assert_int_equal(fread(*bytes, 1, (size_t)n, file), n);
  fclose(file);
  return n;
}

/* Rank 0 writes; all go on when it is there. */
static void WriteBytes(const char *path, const char *bytes, long n)
{
  PetscMPIInt rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank == 0) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)n, file), n);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* The code of reading; where it is read, it must be the model that was written. Nothing stays open. */
static PetscErrorCode Try(const RheoModelFile *written, const char *what, long place)
{
  RheoModelFile read;
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = RheoModelRead(PETSC_COMM_WORLD, "damaged.h5", &read);
  RheoErrorSetQuiet(PETSC_FALSE);
  const ssize_t open = H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL);
  if (open > 0) fail_msg("%s at %ld: %ld HDF5 objects stay open", what, place, (long)open);
  if (code && code != RHEO_ERR_INPUT) fail_msg("%s at %ld: error %d", what, place, (int)code);
  if (code && !strstr(RheoErrorMessage(), "damaged.h5"))
    fail_msg("%s at %ld: '%s' does not name the file", what, place, RheoErrorMessage());
  if (!code) {
    if (!Same(written, &read)) fail_msg("%s at %ld: another model was read", what, place);
    OK(RheoModelFileFree(&read));
  }
  return code;
}

static void Truncated(void **state)
{
  (void)state;
  enum { CUTS = 20 };
  RheoModelFile written = Make(5);
  char *bytes;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &written));
  const long n = ReadBytes("model.h5", &bytes);
  for (int i = 0; i < CUTS; i++) {
    RheoStream stream = RheoStreamMake(11, RHEO_STREAM_TEST, 0, (uint64_t)i);
    const long keep = i == 0 ? 0 : i == 1 ? n - 1 : (long)RheoStreamInteger(&stream, (uint64_t)n);
    WriteBytes("damaged.h5", bytes, keep);
    assert_int_equal(Try(&written, "cut", keep), RHEO_ERR_INPUT);
  }
  free(bytes);
  Free(&written);
}

/* A changed byte may be one that nothing depends on (room that HDF5 keeps, the version of the program that wrote). */
static void Flipped(void **state)
{
  (void)state;
  enum { FLIPS = 400 };
  RheoModelFile written = Make(5);
  char *bytes;
  int refused = 0;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &written));
  const long n = ReadBytes("model.h5", &bytes);
  for (int i = 0; i < FLIPS; i++) {
    RheoStream stream = RheoStreamMake(12, RHEO_STREAM_TEST, 0, (uint64_t)i);
    const long place = (long)RheoStreamInteger(&stream, (uint64_t)n);
    const char flip = (char)(1 + RheoStreamInteger(&stream, 255));
    bytes[place] ^= flip;
    WriteBytes("damaged.h5", bytes, n);
    refused += Try(&written, "flip", place) != RHEO_OK;
    bytes[place] ^= flip;
  }
  /* The bytes of the parameters themselves are never among those. */
  long found = -1;
  for (long at = 0; found < 0 && at + 16 <= n; at++)
    if (!memcmp(bytes + at, written.values, 16)) found = at;
  assert_true(found >= 0);
  for (long i = 0; i < (long)(RheoParamsSize(written.params) * sizeof(float)); i += 7) {
    bytes[found + i] ^= 1;
    WriteBytes("damaged.h5", bytes, n);
    assert_int_equal(Try(&written, "flip", found + i), RHEO_ERR_INPUT);
    bytes[found + i] ^= 1;
  }
  print_message("%d of %d flips refused, file of %ld bytes\n", refused, FLIPS, n);
  assert_true(refused > FLIPS / 4);
  free(bytes);
  Free(&written);
}

static void ChangedDeck(void **state)
{
  (void)state;
  RheoModelFile written = Make(0);
  char *bytes;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "model.h5", &written));
  const long n = ReadBytes("model.h5", &bytes);
  for (long at = 0; at + 8 <= n; at++)
    if (!memcmp(bytes + at, "upper: 3", 8)) bytes[at + 7] = '4'; /* a prior that is another one */
  WriteBytes("damaged.h5", bytes, n);
  assert_int_equal(Try(&written, "deck", 0), RHEO_ERR_INPUT);
  assert_non_null(strstr(RheoErrorMessage(), "damaged.h5: is damaged"));
  free(bytes);
  Free(&written);
}

static void Foreign(void **state)
{
  (void)state;
  RheoModelFile read;
  const char text[] = "not a model";
  REJECTS(RheoModelRead(PETSC_COMM_WORLD, "absent.h5", &read), "absent.h5");
  WriteBytes("foreign.h5", text, sizeof text);
  REJECTS(RheoModelRead(PETSC_COMM_WORLD, "foreign.h5", &read), "not an HDF5 file");
  RheoModelFile written = Make(0);
  REJECTS(RheoModelWrite(PETSC_COMM_WORLD, "no/such/folder/model.h5", &written), "no/such/folder");
  Free(&written);
}

/* A file that may not grow, wherever that is met: an error with the system's reason, the model of before untouched, nothing left
 * open that would end the program later. */
static void Full(void **state)
{
  (void)state;
  struct rlimit old, limit;
  RheoModelFile written = Make(50);
  char *before, *after;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "full.h5", &written));
  const long n = ReadBytes("full.h5", &before);
  written.step++;
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &old);
  for (long most = 0; most < n; most += n / 7) {
    limit = (struct rlimit){(rlim_t)most, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    REJECTS(RheoModelWrite(PETSC_COMM_WORLD, "full.h5", &written),
            "full.h5: cannot be written: File too large");
    assert_int_not_equal(access("full.h5.tmp", F_OK), 0); /* what fitted would keep the disk full */
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(ReadBytes("full.h5", &after), n);
    assert_memory_equal(before, after, n);
    free(after);
  }
  OK(RheoModelWrite(PETSC_COMM_WORLD, "full.h5", &written));
  free(before);
  Free(&written);
}

/* What a run that was killed has left at the temporary path is replaced, and costs no memory. */
static void Leftover(void **state)
{
  (void)state;
  RheoModelFile written = Make(3), read;
  char *bytes;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "left.h5", &written));
  const long n = ReadBytes("left.h5", &bytes), large = 1L << 26;
  bytes = realloc(bytes, (size_t)large);
  assert_non_null(bytes);
  memset(bytes + n, 1, (size_t)(large - n)); /* HDF5 reads all of it, for it begins as a file does */
  WriteBytes("left.h5.tmp", bytes, large);
  free(bytes);
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  OK(RheoModelWrite(PETSC_COMM_WORLD, "left.h5", &written));
  const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
  assert_true(after < before + (size_t)large / 2);
  OK(RheoModelRead(PETSC_COMM_WORLD, "left.h5", &read));
  assert_true(Same(&written, &read));
  OK(RheoModelFileFree(&read));
  Free(&written);
}

int main(int argc, char **argv)
{
  char folder[64];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(RoundTrip),        cmocka_unit_test(ChecksumSeesTheHistory),
      cmocka_unit_test(WithoutOptimiser), cmocka_unit_test(Truncated),
      cmocka_unit_test(Flipped),          cmocka_unit_test(ChangedDeck),
      cmocka_unit_test(Foreign),          cmocka_unit_test(Full),
      cmocka_unit_test(Leftover)};
  if (RheoInitialize(&argc, &argv)) return 1;
  PetscMPIInt size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "model_file_%d", size);
  if (RheoMakeDirectory(PETSC_COMM_WORLD, folder) || chdir(folder)) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL), any = 0;
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return RheoFinalize() || any;
}
