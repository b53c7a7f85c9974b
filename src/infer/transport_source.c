/* What the samples of a transport start from: noise, a data set, or the samples of another model. */
#include "../base/reduce.h"
#include "../sim/find_file.h"
#include "transport_impl.h"
#include <stdio.h>
#include <string.h>

typedef struct {
  const char *model, *checksum;
  int64_t rows;
} Config;

const RheoKey RheoTransportSourceKeys[] = {
    {"model", RHEO_KEY_STRING, offsetof(Config, model), NULL, NULL,
     "a model of `rheo train` with a target, whose samples are the source; its density is then known too"},
    {"rows", RHEO_KEY_COUNT, offsetof(Config, rows), "100k", "[1, inf)",
     "samples of that model to train with"},
    {"checksum", RHEO_KEY_STRING, offsetof(Config, checksum), NULL, NULL,
     "of that model, as `rheo info` prints it; written when this one is trained"},
    {0}};

/* A model is trained on the samples of one base, and its density is right with no other. */
static PetscErrorCode PinBase(RheoTransport t, const char *path, const char *expected)
{
  RheoModelFile file;
  char found[32];

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(t->comm, path, &file));
  snprintf(found, sizeof found, "%016llx", (unsigned long long)RheoModelChecksum(&file));
  PetscCall(RheoModelFileFree(&file));
  if (expected && strcmp(expected, found))
    PetscCall(
        RheoDeckReject(t->deck, "source.model",
                       "is another model than this one was trained with (checksum %s, it was %s): put that "
                       "back, or train again",
                       found, expected));
  PetscCall(RheoDeckSet(t->deck, "source.checksum", found));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OpenBase(RheoTransport t, const Config *config)
{
  const char *path;

  PetscFunctionBeginUser;
  PetscCall(RheoSimFindFile(t->deck, "source.model", config->model, &path));
  PetscCall(PinBase(
      t, path,
      config->checksum)); /* first: a model that has come to be its own source would be opened for ever */
  PetscCall(RheoTransportLoad(t->comm, path, &t->base));
  if (RheoTransportSize(t->base) != RheoDataSetSize(t->target))
    PetscCall(RheoDeckReject(t->deck, "source.model", "has %d dimensions, the target has %d",
                             RheoTransportSize(t->base), RheoDataSetSize(t->target)));
  if (RheoDataSetConditions(t->base->target))
    PetscCall(RheoDeckReject(t->deck, "source.model", "has conditions; only those of the target are used"));
  PetscCall(RheoSimPinPath(t->deck, "source.model", path));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OpenSet(RheoTransport t)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDataSetCreate(t->deck, "source", 1, t->seed, &t->source));
  if (RheoDataSetSize(t->source) != RheoDataSetSize(t->target))
    PetscCall(RheoDeckReject(t->deck, "source", "has %d dimensions, the target has %d",
                             RheoDataSetSize(t->source), RheoDataSetSize(t->target)));
  if (RheoDataSetConditions(t->source))
    PetscCall(RheoDeckReject(t->deck, "source", "has conditions; only those of the target are used"));
  if (RheoDataSetStreaming(t->source) == RHEO_STREAMING_YES)
    PetscCall(
        RheoDeckReject(t->deck, "source.stream", "rows of the source stay in memory, each rank's share"));
  PetscFunctionReturn(RHEO_OK);
}

/* What the field takes to stand at t = 0 follows from the deck's sections. */
static PetscErrorCode SetField(RheoTransport t)
{
  static const RheoKey keys[] = {{"source", RHEO_KEY_STRING, 0, "", NULL, ""}, {0}};
  const PetscBool data = (PetscBool)(t->source || t->base);
  const char *source;
  PetscBool has;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(t->deck, "cnf.source", &has));
  PetscCall(RheoDeckRead(t->deck, "cnf", keys, &source));
  if (data && has && strcmp(source, "data"))
    PetscCall(RheoDeckReject(t->deck, "cnf.source", "must be data, since there is a section `source`"));
  if (!data && !strcmp(source, "data"))
    PetscCall(RheoDeckReject(t->deck, "cnf.source", "needs a section `source` with the data"));
  if (data && !has) PetscCall(RheoDeckSet(t->deck, "cnf.source", "data"));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportOpenSource(RheoTransport t)
{
  PetscBool has, flow;
  Config config;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(t->deck, "source", &has));
  PetscCall(RheoDeckRead(t->deck, "source", RheoTransportSourceKeys, &config));
  if (config.model)
    PetscCall(OpenBase(t, &config));
  else if (has)
    PetscCall(OpenSet(t));
  PetscCall(RheoDeckHas(t->deck, "flow", &flow));
  if (!flow) PetscCall(SetField(t));
  PetscFunctionReturn(RHEO_OK);
}

/* Samples first .. first + n - 1 of a model. */
static PetscErrorCode SampleBase(RheoTransport base, uint64_t seed, uint64_t first, int64_t n, double *x)
{
  RheoTransportRows rows = {.n = n, .seed = seed, .first = first};
  double *source;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n * RheoTransportSize(base), &source));
  if (base->continuous) PetscCall(RheoTransportSource(base, seed, first, n, source));
  rows.source = source;
  PetscCall(RheoTransportSample(base, &rows, NULL, x, NULL, NULL));
  PetscCall(PetscFree(source));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSource(RheoTransport t, uint64_t seed, uint64_t first, int64_t n, double *source)
{
  const int d = RheoTransportSize(t);
  float *noise;

  PetscFunctionBeginUser;
  if (t->source) {
    PetscCall(RheoDataSetRead(t->source));
    PetscCall(RheoDataSetTest(t->source, (int64_t)first, n, source, NULL));
    PetscFunctionReturn(RHEO_OK);
  }
  if (t->base) {
    PetscCall(SampleBase(t->base, seed, first, n, source));
    PetscFunctionReturn(RHEO_OK);
  }
  const int kind =
      t->continuous ? RheoCnfGetConfig(RheoDensityModel(t->density)->cnf)->source : RHEO_SOURCE_NORMAL;
  const RheoDensityRows rows = {.n = n, .seed = seed, .first = first};
  PetscCall(PetscMalloc1(n * d, &noise));
  RheoDensityStarts(&rows, kind, d, 0, n, noise, source);
  PetscCall(PetscFree(noise));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportFloats(int64_t n, const double *x, float **floats)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, floats));
  for (int64_t i = 0; i < n; i++) (*floats)[i] = (float)x[i];
  PetscFunctionReturn(RHEO_OK);
}

/* Rows [begin, end) of a model's samples. All ranks make them together, some at a time, in whole groups of its solver. */
static PetscErrorCode ShareOfBase(RheoTransport t, int64_t n, int64_t begin, int64_t end, double *x)
{
  enum { AT_ONCE = 1 << 14 };
  const int d = RheoTransportSize(t);
  const int64_t group = t->base->continuous ? PetscMax(1, t->base->solve.group) : 1;
  const int64_t piece = (AT_ONCE + group - 1) / group * group;
  double *some;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(piece * d, &some));
  for (int64_t first = 0; first < n; first += piece) {
    const int64_t count = PetscMin(piece, n - first);
    const int64_t from = PetscMax(first, begin), to = PetscMin(first + count, end);
    PetscCall(SampleBase(t->base, t->seed, (uint64_t)first, count, some));
    if (to > from)
      PetscCall(PetscArraycpy(x + (from - begin) * d, some + (from - first) * d, (to - from) * d));
  }
  PetscCall(PetscFree(some));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportSourceRows(RheoTransport t, RheoRows *rows, float **x)
{
  const int d = RheoTransportSize(t);
  Config config;
  double *share;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(t->deck, "source", RheoTransportSourceKeys, &config));
  if (t->source) {
    PetscCall(RheoDataSetRead(t->source));
    PetscCall(RheoDataSetPin(t->source));
  }
  *rows = (RheoRows){.n_columns = 1, .name = {"origin"}, .width = {d}};
  rows->n = t->source ? RheoDataSetCount(t->source) : t->base ? config.rows : 0;
  RheoRange(t->comm, rows->n, &rows->begin, &rows->end);
  const int64_t n = rows->end - rows->begin;
  PetscCall(PetscMalloc1(n * d, &share));
  if (t->source) PetscCall(RheoDataSetTraining(t->source, rows->begin, n, share, NULL));
  if (t->base) PetscCall(ShareOfBase(t, rows->n, rows->begin, rows->end, share));
  PetscCall(TransportFloats(n * d, share, x));
  rows->value[0] = *x;
  PetscCall(PetscFree(share));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportAddSourceLogProb(RheoTransport t, const RheoTransportRows *rows, const double *source,
                                         double *log_prob, double *variance)
{
  /* Probes of its own, so that the two estimates are independent and their variances add. */
  const RheoTransportRows of_base = {
      .n = rows->n, .seed = rows->seed, .first = rows->first | UINT64_C(1) << 62};
  double *log_source, *spread;

  PetscFunctionBeginUser;
  if (!t->base) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc2(rows->n, &log_source, rows->n, &spread));
  PetscCall(RheoTransportEstimateLogProb(t->base, &of_base, source, log_source, spread, NULL));
  for (int64_t i = 0; i < rows->n; i++) log_prob[i] += log_source[i];
  for (int64_t i = 0; variance && i < rows->n; i++) variance[i] += spread[i];
  PetscCall(PetscFree2(log_source, spread));
  PetscFunctionReturn(RHEO_OK);
}
