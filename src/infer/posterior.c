/* The life of a posterior: what the deck says, training, files. Asking it is in ask.c and map.c. */
#include "../base/log.h"
#include "density_impl.h"
#include "posterior_impl.h"
#include <limits.h>
#include <math.h>
#include <string.h>

/* "|npe|...": the rule of `estimator` after its first character. */
static const char estimator_rule[] =
#define RHEO_ESTIMATOR(symbol, name) "|" #name
#include "estimator_types.def"
#undef RHEO_ESTIMATOR
    ;

const RheoKey RheoRunKeys[] = {{"seed", RHEO_KEY_COUNT, offsetof(RheoRunConfig, seed), "1", "[0, inf)",
                                "of every random number of the run"},
                               {"estimator", RHEO_KEY_CHOICE, offsetof(RheoRunConfig, estimator), "npe",
                                estimator_rule + 1, "how the posterior is estimated"},
                               {0}};

static PetscErrorCode Create(RheoDeck deck, int n_data, RheoPosterior *posterior)
{
  RheoPosterior p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  *posterior = p;
  p->deck = deck;
  p->c = n_data;
  PetscCall(RheoDeckGetComm(deck, &p->comm));
  PetscCall(RheoDeckRead(deck, "", RheoRunKeys, &p->run));
  p->type = RheoEstimatorTypes[p->run.estimator];
  PetscCall(RheoPriorCreate(&p->prior));
  PetscCall(RheoPriorSetFromDeck(p->prior, deck, "prior"));
  p->d = RheoPriorSize(p->prior);
  PetscCall(RheoDataTransformRead(deck, p->c, &p->transform));
  PetscCall(RheoDensityCreate(deck, p->type->density, p->type->objective, p->d, p->c, (uint64_t)p->run.seed,
                              &p->density));
  const RheoCnf cnf = RheoDensityModel(p->density)->cnf;
  if (cnf && RheoCnfGetConfig(cnf)->source == RHEO_SOURCE_DATA)
    PetscCall(RheoDeckReject(deck, "cnf.source", "a posterior starts from normal or uniform noise"));
  PetscFunctionReturn(RHEO_OK);
}

/* Sections of the models of other estimators: whoever wrote one and names no estimator has forgotten to. */
static PetscErrorCode CheckSections(RheoPosterior p)
{
  const char *mine = p->type->density->name;
  PetscBool has, named, own;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(p->deck, "estimator", &named));
  PetscCall(RheoDeckHas(p->deck, mine, &own));
  for (int i = 0; RheoEstimatorTypes[i]; i++) {
    const char *other = RheoEstimatorTypes[i]->density->name;
    PetscCall(RheoDeckHas(p->deck, other, &has));
    if (!has || !strcmp(other, mine)) continue;
    if (!named && !own)
      PetscCall(RheoDeckReject(p->deck, other,
                               "is not read by the estimator %s, the default; set estimator: %s",
                               p->type->name, RheoEstimatorTypes[i]->name));
    RheoLog(p->comm, RHEO_LOG_WARNING, "the section %s is not read: the estimator is %s", other,
            p->type->name);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorCreate(RheoDeck deck, int n_data, RheoPosterior *posterior)
{
  PetscFunctionBeginUser;
  PetscCall(Create(deck, n_data, posterior));
  PetscCall(CheckSections(*posterior));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorDestroy(RheoPosterior *posterior)
{
  RheoPosterior p = *posterior;

  PetscFunctionBeginUser;
  if (!p) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoTrainingFree(&p->training));
  PetscCall(RheoDensityDestroy(&p->density));
  PetscCall(RheoPriorDestroy(&p->prior));
  PetscCall(PetscFree(p->transform));
  if (p->owns_deck) PetscCall(RheoDeckDestroy(&p->deck));
  PetscCall(PetscFree(*posterior));
  PetscFunctionReturn(RHEO_OK);
}

/* Parameters as normal scores of their prior, and everything finite. */
PetscBool RheoPosteriorConvert(RheoPosterior p, const double *theta, const double *x, float *z,
                               float *context)
{
  PetscBool good = PETSC_TRUE;

  for (int k = 0; k < p->d; k++) z[k] = (float)RheoPriorToNormal(p->prior, k, theta[k]);
  RheoPosteriorTransformData(p, 1, x, context);
  for (int k = 0; k < p->d; k++)
    if (!isfinite(z[k])) good = PETSC_FALSE;
  for (int k = 0; k < p->c; k++)
    if (!isfinite(context[k])) good = PETSC_FALSE;
  return good;
}

/* Records of raw rows (theta, x, weight or NULL). */
static void Convert(const void *posterior, int64_t n, const int64_t *place, const double *const *block,
                    float *record, unsigned char *good)
{
  const RheoPosterior p = (RheoPosterior)(uintptr_t)posterior;
  const double *weight = block[2];
  const int size = p->d + p->c + (weight != NULL);

  (void)place;
  for (int64_t i = 0; i < n; i++, record += size) {
    good[i] = RheoPosteriorConvert(p, block[0] + i * p->d, block[1] + i * p->c, record, record + p->d);
    if (!weight) continue;
    record[size - 1] = (float)weight[i];
    if (!isfinite(record[size - 1]) || record[size - 1] < 0) good[i] = 0;
  }
}

static RheoRowLayout Layout(RheoPosterior p, PetscBool weighted)
{
  RheoRowLayout layout = {.n_columns = 2, .name = {"x", "context"}, .width = {p->d, p->c}};
  RheoRowLayoutSet(&layout, weighted);
  return layout;
}

static PetscErrorCode CheckCount(RheoPosterior p, int64_t n, int64_t good)
{
  PetscFunctionBeginUser;
  if (good < n)
    RheoLog(
        p->comm, RHEO_LOG_WARNING,
        "%lld of %lld simulations have values that are not finite (after data.transform), lie outside the "
        "prior or have a negative weight; training leaves them out",
        (long long)(n - good), (long long)n);
  RheoInputCheck(good >= 10, p->comm,
                 "%lld usable simulations are too few to train on; simulate more (simulate.n)",
                 (long long)good);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TrainSource(RheoPosterior p, RheoRowSource source)
{
  PetscFunctionBeginUser;
  PetscCall(RheoTrainingRun(p->deck, (uint64_t)p->run.seed, source, NULL, p->density,
                            p->guarded ? &p->guard : NULL, p->series, &p->training));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorTrainRows(RheoPosterior p, int64_t n, const RheoRows *held)
{
  const RheoRowLayout layout = Layout(p, (PetscBool)(held->weight != NULL));
  RheoRows rows = *held;
  RheoRowSource source;

  PetscFunctionBeginUser;
  PetscCall(CheckCount(p, n, rows.n));
  rows.n_columns = layout.n_columns;
  memcpy(rows.name, layout.name, sizeof rows.name);
  memcpy(rows.width, layout.width, sizeof rows.width);
  PetscCall(RheoRowSourceCreateMemory(p->comm, &rows, &source));
  const PetscErrorCode code = TrainSource(p, source);
  PetscCall(RheoRowSourceDestroy(&source));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorTrain(RheoPosterior p, int64_t n, const double *theta, const double *x,
                                  const double *weight)
{
  float *z, *context, *w;
  RheoRows rows = {0};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n * p->d, &z, n * p->c, &context, n, &w));
  for (int64_t i = 0; i < n; i++) {
    float *const to = z + rows.n * p->d;
    if (!RheoPosteriorConvert(p, theta + i * p->d, x + i * p->c, to, context + rows.n * p->c)) continue;
    w[rows.n] = weight ? (float)weight[i] : 1;
    if (isfinite(w[rows.n]) && w[rows.n] >= 0) rows.n++;
  }
  rows.value[0] = z;
  rows.value[1] = context;
  rows.weight = weight ? w : NULL;
  const PetscErrorCode code = RheoPosteriorTrainRows(p, n, &rows);
  PetscCall(PetscFree3(z, context, w));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorTrainFiles(RheoPosterior p, RheoReader reader)
{
  const RheoTable *table = RheoReaderTable(reader);
  const char *name = RheoReaderName(reader);
  const int theta = RheoReaderFind(reader, "parameters"), x = RheoReaderFind(reader, "data"),
            weight = RheoReaderFind(reader, "weights");
  const RheoRowFile file = {.reader = reader,
                            .n_blocks = weight < 0 ? 2 : 3,
                            .block = {theta, x, weight},
                            .convert = Convert,
                            .context = p};
  const RheoRowLayout layout = Layout(p, (PetscBool)(weight >= 0));
  RheoRowSource source;
  PetscBool streams = PETSC_FALSE;
  int choice;

  PetscFunctionBeginUser;
  RheoInputCheck(theta >= 0 && x >= 0, p->comm,
                 "%s: has no blocks `parameters` and `data`; `rheo simulate` writes such a file", name);
  RheoInputCheck(table->block[theta].width == p->d, p->comm,
                 "%s: has %d parameters, the prior of the deck has %d", name, table->block[theta].width,
                 p->d);
  RheoInputCheck(table->block[x].width == p->c, p->comm,
                 "%s: has %d columns of data, the simulator of the deck gives %d", name,
                 table->block[x].width, p->c);
  RheoInputCheck(weight < 0 || table->block[weight].width == 1, p->comm, "%s: `weights` has %d columns", name,
                 table->block[weight].width);
  PetscCall(RheoDataStreamRead(p->deck, &choice));
  PetscCall(RheoTrainingStreams(p->deck, choice, table->n, &layout, &streams));
  PetscCall(RheoRowSourceCreateFile(p->comm, &file, &layout, streams, &source));
  PetscCall(CheckCount(p, table->n, RheoRowSourceCount(source)));
  const PetscErrorCode code = TrainSource(p, source);
  PetscCall(RheoRowSourceDestroy(&source)); /* a thread may still be reading where training was stopped */
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ToFile(RheoPosterior p, double *sizes, RheoModelFile *file)
{
  PetscFunctionBeginUser;
  *file = (RheoModelFile){.estimator = p->type->name, .n_extras = 1};
  RheoTrainingPut(&p->training, p->density, file);
  PetscCall(RheoDeckGetText(p->deck, &file->deck));
  sizes[0] = p->d;
  sizes[1] = p->c;
  file->extra[0] = (RheoExtra){"sizes", 2, sizes};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSetSafeguard(RheoPosterior posterior, const RheoSafeguard *guard)
{
  PetscFunctionBeginUser;
  posterior->guarded = PETSC_TRUE;
  posterior->guard = *guard;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSetSeries(RheoPosterior posterior, const char *path)
{
  PetscFunctionBeginUser;
  posterior->series = path ? RheoIntern(path) : NULL;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSave(RheoPosterior posterior, const char *path)
{
  RheoModelFile file;
  double sizes[2];

  PetscFunctionBeginUser;
  PetscCall(ToFile(posterior, sizes, &file));
  PetscCall(RheoModelWrite(posterior->comm, path, &file));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorGetChecksum(RheoPosterior posterior, uint64_t *checksum)
{
  RheoModelFile file;
  double sizes[2];

  PetscFunctionBeginUser;
  PetscCall(ToFile(posterior, sizes, &file));
  *checksum = RheoModelChecksum(&file);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorLoad(MPI_Comm comm, const char *path, RheoPosterior *posterior)
{
  RheoModelFile file;
  RheoDeck deck;
  const RheoExtra *sizes = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(comm, path, &file));
  for (int i = 0; i < file.n_extras; i++)
    if (!strcmp(file.extra[i].name, "sizes") && file.extra[i].n == 2) sizes = &file.extra[i];
  RheoInputCheck(sizes && file.deck && sizes->value[1] >= 1 && sizes->value[1] <= INT_MAX, comm,
                 "%s: not the model of a posterior", path);
  PetscCall(RheoDeckCreate(comm, &deck));
  PetscCall(RheoDeckLoadText(deck, path, file.deck));
  PetscCall(Create(deck, (int)sizes->value[1], posterior));
  RheoPosterior p = *posterior;
  p->owns_deck = PETSC_TRUE;
  RheoInputCheck(sizes->value[0] == p->d, comm, "%s: holds %g parameters, the prior of its deck %d", path,
                 sizes->value[0], p->d);
  PetscCall(RheoTrainingTake(comm, path, &file, p->density, &p->training));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSetSolver(RheoPosterior posterior, RheoDeck deck)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDensitySetSolver(posterior->density, deck));
  PetscFunctionReturn(RHEO_OK);
}

int RheoPosteriorSize(RheoPosterior posterior)
{
  return posterior->d;
}
int RheoPosteriorDataSize(RheoPosterior posterior)
{
  return posterior->c;
}
RheoPrior RheoPosteriorPrior(RheoPosterior posterior)
{
  return posterior->prior;
}
RheoDeck RheoPosteriorDeck(RheoPosterior posterior)
{
  return posterior->deck;
}
const RheoHistory *RheoPosteriorHistory(RheoPosterior posterior)
{
  return &posterior->training.history;
}

PetscErrorCode RheoPosteriorGetTrainer(RheoPosterior posterior, RheoTrainReason *reason,
                                       double *rows_per_second, double *communication)
{
  PetscFunctionBeginUser;
  *reason = posterior->training.reason;
  *rows_per_second = posterior->training.rows_per_second;
  *communication = posterior->training.communication;
  PetscFunctionReturn(RHEO_OK);
}
