/* The life of a transport: what the deck says, training, files. Asking it is in transport_ask.c. */
#include "../base/log.h"
#include "../cnf/scheme.h"
#include "transport_impl.h"
#include <math.h>
#include <string.h>

typedef struct {
  int64_t seed;
} Config;

static const RheoKey run_keys[] = {
    {"seed", RHEO_KEY_COUNT, offsetof(Config, seed), "1", "[0, inf)", "of every random number of the run"},
    {0}};

const RheoKey RheoTransportCheckKeys[] = {
    {"n", RHEO_KEY_COUNT, offsetof(RheoTransportCheckConfig, n), "10k", "[10, inf)",
     "test points that samples are compared with (studies with a target)"},
    {"steps", RHEO_KEY_REALS, offsetof(RheoTransportCheckConfig, steps), "1", "[1, 1e6]",
     "whole numbers of fixed steps to check beside cnf.solve"},
    {"scheme", RHEO_KEY_STRING, offsetof(RheoTransportCheckConfig, scheme), "euler", NULL,
     "of these: euler, midpoint, rk4, ..."},
    {0}};

PetscErrorCode RheoTransportCheckRead(RheoDeck deck, RheoTransportCheckConfig *config)
{
  char text[512];

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "check", RheoTransportCheckKeys, config));
  for (int k = 0; k < config->steps.n; k++) {
    const double steps = config->steps.v[k];
    if (steps != floor(steps))
      PetscCall(RheoDeckReject(deck, "check.steps", "must be whole numbers, got %g", steps));
    for (int i = 0; i < k; i++)
      if (config->steps.v[i] == steps) PetscCall(RheoDeckReject(deck, "check.steps", "has %g twice", steps));
  }
  if (!RheoSchemeIsKnown(config->scheme, sizeof text, text))
    PetscCall(RheoDeckReject(deck, "check.scheme", "%s", text));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportIsDeck(RheoDeck deck, PetscBool *yes)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(deck, "target", yes));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportGetSections(int *n, const RheoSection **sections)
{
  static RheoSection all[4];
  static RheoKey source[128];
  const RheoKey *keys;
  size_t k = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoDataSetGetKeys(&keys));
  for (; keys[k].name; k++) {
    PetscCheck(k + 1 < sizeof source / sizeof *source, PETSC_COMM_SELF, PETSC_ERR_PLIB,
               "Too many keys of data sets");
    source[k] = keys[k];
    if (!strcmp(keys[k].name, "stream"))
      source[k].help =
          "of the target only: rows of the source stay in memory, each rank's share; auto or no here";
  }
  all[0] = (RheoSection){"target", keys, "the data set to learn, of a study without a prior"};
  all[1] = (RheoSection){"source", source, "the data set that samples start from (absent: noise)"};
  all[2] = (RheoSection){"source", RheoTransportSourceKeys, "or the model"};
  all[3] = (RheoSection){"check", RheoTransportCheckKeys, "checks of samples against test points"};
  *n = 4;
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}

/* Keys of a model and of a data set exclude each other. */
static PetscErrorCode CheckSource(RheoTransport t)
{
  char key[192];
  const char **names;
  PetscBool model;
  int n;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(t->deck, "source.model", &model));
  PetscCall(RheoDeckGetChildren(t->deck, "source", &n, &names));
  for (int i = 0; i < n; i++) {
    PetscBool of_model = PETSC_FALSE;
    for (const RheoKey *k = RheoTransportSourceKeys; k->name; k++)
      if (!strcmp(names[i], k->name)) of_model = PETSC_TRUE;
    snprintf(key, sizeof key, "source.%s", names[i]);
    if (of_model != model)
      PetscCall(RheoDeckReject(t->deck, key, "belongs to a %s, and this source is a %s",
                               model ? "data set" : "model", model ? "model" : "data set"));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OpenData(RheoTransport t)
{
  PetscFunctionBeginUser;
  PetscCall(CheckSource(t));
  PetscCall(RheoDataSetCreate(t->deck, "target", 0, t->seed, &t->target));
  PetscCall(TransportOpenSource(t));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ChooseKind(RheoTransport t)
{
  PetscBool flow, cnf;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(t->deck, "flow", &flow));
  PetscCall(RheoDeckHas(t->deck, "cnf", &cnf));
  if (flow && cnf)
    PetscCall(RheoDeckReject(t->deck, "flow", "and a section `cnf`: only one of them can be the model"));
  if (flow && (t->source || t->base))
    PetscCall(RheoDeckReject(t->deck, "flow", "starts from noise; with a section `source` take `cnf`"));
  t->continuous = (PetscBool)!flow;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportCreate(RheoDeck deck, RheoTransport *transport)
{
  RheoTransport t;
  Config config;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&t));
  *transport = t;
  t->deck = deck;
  PetscCall(RheoDeckGetComm(deck, &t->comm));
  PetscCall(RheoDeckRead(deck, "", run_keys, &config));
  t->seed = (uint64_t)config.seed;
  PetscCall(OpenData(t));
  PetscCall(ChooseKind(t));
  PetscCall(RheoDensityCreate(deck, t->continuous ? &RheoDensityType_Cnf : &RheoDensityType_Flow, NULL,
                              RheoDataSetSize(t->target), RheoDataSetContextSize(t->target), t->seed,
                              &t->density));
  if (t->continuous) PetscCall(RheoDeckRead(deck, "cnf.solve", RheoSolveKeys, &t->solve));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportDestroy(RheoTransport *transport)
{
  RheoTransport t = *transport;

  PetscFunctionBeginUser;
  if (!t) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoDensityDestroy(&t->density));
  PetscCall(RheoTrainingFree(&t->training));
  PetscCall(RheoDataSetDestroy(&t->target));
  PetscCall(RheoDataSetDestroy(&t->source));
  PetscCall(RheoTransportDestroy(&t->base));
  if (t->owns_deck) PetscCall(RheoDeckDestroy(&t->deck));
  PetscCall(PetscFree(*transport));
  PetscFunctionReturn(RHEO_OK);
}

/* What a coupling within conditions says of those there are. */
static PetscErrorCode AdviseOnConditions(RheoTransport t)
{
  enum { ROWS = 500 };
  RheoCnf cnf = t->continuous ? RheoDensityModel(t->density)->cnf : NULL;
  const RheoCouplingType *coupling = cnf ? RheoCouplingTypes[RheoCnfGetConfig(cnf)->coupling] : NULL;
  const int d = RheoDataSetSize(t->target), m = RheoDataSetConditions(t->target);
  RheoPairs pairs = {.d = d, .c = RheoDataSetContextSize(t->target)};
  double *x, *condition, *context;
  char text[RHEO_ADVICE];
  float *y;

  PetscFunctionBeginUser;
  if (!coupling || !coupling->needs_condition || !coupling->advise) PetscFunctionReturn(RHEO_OK);
  pairs.n = PetscMin(ROWS, RheoDataSetCount(t->target));
  PetscCall(PetscMalloc3(pairs.n * d, &x, pairs.n * m, &condition, pairs.n * pairs.c, &context));
  PetscCall(RheoDataSetTraining(t->target, 0, pairs.n, x, condition));
  RheoDataSetContext(t->target, pairs.n, condition, context);
  PetscCall(TransportFloats(pairs.n * pairs.c, context, &y));
  pairs.y = y;
  coupling->advise(RheoCnfCouplingConfig(cnf), &pairs, text);
  if (text[0]) RheoLog(t->comm, RHEO_LOG_WARNING, "%s", text);
  PetscCall(PetscFree(y));
  PetscCall(PetscFree3(x, condition, context));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTrain(RheoTransport t)
{
  RheoRowSource source;
  float *x, *context, *from;
  RheoRows origin;

  PetscFunctionBeginUser;
  PetscCall(RheoDataSetRead(t->target));
  PetscCall(RheoDataSetCheckClasses(t->target));
  PetscCall(RheoDataSetPin(t->target));
  PetscCall(AdviseOnConditions(t));
  PetscCall(TransportSourceRows(t, &origin, &from));
  PetscCall(TransportTargetRows(t, &x, &context, &source));
  const PetscErrorCode code = RheoTrainingRun(t->deck, t->seed, source, origin.n ? &origin : NULL, t->density,
                                              t->guarded ? &t->guard : NULL, t->series, &t->training);
  PetscCall(RheoRowSourceDestroy(&source));
  PetscCall(PetscFree(x));
  PetscCall(PetscFree(context));
  PetscCall(PetscFree(from));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ToFile(RheoTransport t, RheoModelFile *file)
{
  PetscFunctionBeginUser;
  *file = (RheoModelFile){.estimator = "transport"};
  RheoTrainingPut(&t->training, t->density, file);
  PetscCall(RheoDeckGetText(t->deck, &file->deck));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSetSafeguard(RheoTransport t, const RheoSafeguard *guard)
{
  PetscFunctionBeginUser;
  t->guarded = PETSC_TRUE;
  t->guard = *guard;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSetSeries(RheoTransport t, const char *path)
{
  PetscFunctionBeginUser;
  t->series = path ? RheoIntern(path) : NULL;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSave(RheoTransport t, const char *path)
{
  RheoModelFile file;

  PetscFunctionBeginUser;
  PetscCall(ToFile(t, &file));
  PetscCall(RheoModelWrite(t->comm, path, &file));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode FromFile(RheoDeck deck, const char *path, const RheoModelFile *file,
                               RheoTransport *transport)
{
  MPI_Comm comm;
  PetscBool is;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(RheoTransportIsDeck(deck, &is));
  RheoInputCheck(is && !strcmp(file->estimator, "transport"), comm,
                 "%s: not the model of a data set (its deck has no section `target`)", path);
  PetscCall(RheoTransportCreate(deck, transport));
  PetscCall(RheoTrainingTake(comm, path, file, (*transport)->density, &(*transport)->training));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportLoad(MPI_Comm comm, const char *path, RheoTransport *transport)
{
  RheoModelFile file;
  RheoDeck deck;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(comm, path, &file));
  RheoInputCheck(file.deck, comm, "%s: holds no deck", path);
  PetscCall(RheoDeckCreate(comm, &deck));
  PetscCall(RheoDeckLoadText(deck, path, file.deck));
  PetscCall(FromFile(deck, path, &file, transport));
  (*transport)->owns_deck = PETSC_TRUE;
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportLoadWith(RheoDeck deck, const char *path, RheoTransport *transport)
{
  RheoModelFile file;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(RheoModelRead(comm, path, &file));
  PetscCall(FromFile(deck, path, &file, transport));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

int RheoTransportSize(RheoTransport transport)
{
  return RheoDataSetSize(transport->target);
}
RheoDataSet RheoTransportTarget(RheoTransport transport)
{
  return transport->target;
}
RheoDataSet RheoTransportSourceSet(RheoTransport transport)
{
  return transport->source;
}
int64_t RheoTransportSourceCount(RheoTransport transport)
{
  if (transport->base) return RheoTransportSourceCount(transport->base);
  return transport->source ? RheoDataSetTestCount(transport->source) : INT64_MAX;
}
PetscBool RheoTransportIsContinuous(RheoTransport transport)
{
  return transport->continuous;
}
PetscBool RheoTransportHasLogProb(RheoTransport transport)
{
  return (PetscBool)(transport->base ? RheoTransportHasLogProb(transport->base) : !transport->source);
}
const RheoHistory *RheoTransportHistory(RheoTransport transport)
{
  return &transport->training.history;
}
const RheoSolveConfig *RheoTransportSolve(RheoTransport transport)
{
  return &transport->solve;
}

PetscErrorCode RheoTransportGetTrainer(RheoTransport transport, RheoTrainReason *reason,
                                       double *rows_per_second, double *communication)
{
  PetscFunctionBeginUser;
  *reason = transport->training.reason;
  *rows_per_second = transport->training.rows_per_second;
  *communication = transport->training.communication;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportGetChecksum(RheoTransport transport, uint64_t *checksum)
{
  RheoModelFile file;

  PetscFunctionBeginUser;
  PetscCall(ToFile(transport, &file));
  *checksum = RheoModelChecksum(&file);
  PetscFunctionReturn(RHEO_OK);
}
