#include "../base/event.h"
#include "simulator_impl.h"
#include <math.h>
#include <string.h>

enum { CHUNK = 1024, MESSAGE = 256 };

#define RHEO_SIMULATOR_TYPE(symbol, name) extern const RheoSimulatorType RheoSimulatorType_##symbol;
#include "simulator_types.def"
#undef RHEO_SIMULATOR_TYPE

const RheoSimulatorType *const RheoSimulatorTypes[] = {
#define RHEO_SIMULATOR_TYPE(symbol, name) &RheoSimulatorType_##symbol,
#include "simulator_types.def"
#undef RHEO_SIMULATOR_TYPE
    NULL};

enum { N_TYPES = sizeof RheoSimulatorTypes / sizeof RheoSimulatorTypes[0] - 1 };

/* "|flu|two_moons...": the rule of `type` after its first character. */
static const char type_rule[] =
#define RHEO_SIMULATOR_TYPE(symbol, name) "|" #name
#include "simulator_types.def"
#undef RHEO_SIMULATOR_TYPE
    ;

static const RheoKey simulator_keys[] = {{"type", RHEO_KEY_CHOICE, 0, RHEO_REQUIRED, type_rule + 1,
                                          "which simulator; its keys stand under its name"},
                                         {0}};

const RheoKey RheoSimulateKeys[] = {
    {"n", RHEO_KEY_COUNT, offsetof(RheoSimulateConfig, n), "10k", "[1, inf)", "simulations to make"},
    {"keep_every", RHEO_KEY_REAL, offsetof(RheoSimulateConfig, keep_every), "10", "(0, inf)",
     RHEO_OF_RUN "seconds of simulations that a run that is killed may lose"},
    {"restart", RHEO_KEY_BOOL, offsetof(RheoSimulateConfig, restart), "yes", NULL,
     RHEO_OF_RUN "go on from what an earlier run kept; no: throw it away"},
    {0}};

const char *RheoSimulationStatusName(RheoSimulationStatus status)
{
  static const char *const names[RHEO_SIMULATION_STATUSES] = {"done",    "failed",  "not_finite",
                                                              "crashed", "timeout", "garbage"};
  return (int)status >= 0 && (int)status < RHEO_SIMULATION_STATUSES ? names[status] : "unknown";
}

PetscErrorCode RheoSimulatorGetSections(int *n, const RheoSection **sections)
{
  static RheoSection all[N_TYPES + 1];
  static char prefixes[N_TYPES][64];
  int n_sections = 1;
  PetscFunctionBeginUser;
  all[0] = (RheoSection){"simulator", simulator_keys, "where data come from"};
  for (int t = 0; t < N_TYPES; ++t) {
    const RheoSimulatorType *type = RheoSimulatorTypes[t];
    if (!type->keys) continue;
    snprintf(prefixes[t], sizeof prefixes[t], "simulator.%s", type->name);
    all[n_sections++] = (RheoSection){prefixes[t], type->keys, type->summary};
  }
  *n = n_sections;
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimulatorCreate(RheoSimulator *simulator)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(simulator));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Clear(RheoSimulator simulator)
{
  PetscFunctionBeginUser;
  if (simulator->type && simulator->type->destroy) PetscCall(simulator->type->destroy(simulator));
  simulator->type = NULL;
  PetscCall(PetscFree(simulator->config));
  PetscCall(PetscFree(simulator->names));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimulatorDestroy(RheoSimulator *simulator)
{
  PetscFunctionBeginUser;
  if (!*simulator) PetscFunctionReturn(RHEO_OK);
  PetscCall(Clear(*simulator));
  PetscCall(PetscFree(*simulator));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode FindType(RheoDeck deck, const RheoSimulatorType **type)
{
  int i = 0;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "simulator", simulator_keys, &i));
  *type = RheoSimulatorTypes[i];
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimulatorDefaultPrior(RheoDeck deck, const char **text)
{
  const RheoSimulatorType *type;
  PetscBool has;
  PetscFunctionBeginUser;
  *text = NULL;
  PetscCall(RheoDeckHas(deck, "simulator.type", &has));
  if (!has) PetscFunctionReturn(RHEO_OK);
  PetscCall(FindType(deck, &type));
  *text = type->default_prior;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode NameData(RheoSimulator simulator)
{
  char text[64];
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)simulator->n_data, &simulator->names));
  for (int i = 0; i < simulator->n_data; ++i) {
    snprintf(text, sizeof text, "%s%d", simulator->data_prefix ? simulator->data_prefix : "x", i + 1);
    simulator->names[i] = RheoIntern(simulator->data_names ? simulator->data_names[i] : text);
  }
  simulator->data_names = NULL;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimulatorSetFromDeck(RheoSimulator simulator, RheoDeck deck, int n_parameters)
{
  const RheoSimulatorType *type;
  char prefix[64];
  PetscFunctionBeginUser;
  PetscCall(Clear(simulator));
  PetscCall(FindType(deck, &type));
  if (type->n_parameters && type->n_parameters != n_parameters) {
    PetscCall(RheoDeckReject(deck, "simulator.type", "takes %d parameters, the prior has %d",
                             type->n_parameters, n_parameters));
  }
  PetscCall(PetscCalloc1(type->size + 1, (char **)&simulator->config));
  if (type->keys) {
    snprintf(prefix, sizeof prefix, "simulator.%s", type->name);
    PetscCall(RheoDeckRead(deck, prefix, type->keys, simulator->config));
  }
  simulator->type = type;
  simulator->n_parameters = n_parameters;
  simulator->n_data = type->n_data;
  simulator->data_names = type->data_names;
  simulator->data_prefix = NULL;
  if (type->set_up) PetscCall(type->set_up(simulator, deck, n_parameters));
  PetscCall(NameData(simulator));
  PetscFunctionReturn(RHEO_OK);
}

int RheoSimulatorDataSize(RheoSimulator simulator)
{
  return simulator->n_data;
}

const char *RheoSimulatorDataName(RheoSimulator simulator, int i)
{
  return simulator->names[i];
}

static PetscErrorCode SimulateEach(RheoSimulator simulator, uint64_t seed, uint64_t first, int64_t n,
                                   const double *theta, double *x, int8_t *status, char (*message)[MESSAGE])
{
  const int d = simulator->n_parameters, c = simulator->n_data;
  PetscFunctionBeginUser;
  for (int64_t i = 0; i < n; ++i) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_SIMULATE, 0, first + (uint64_t)i);
    message[i][0] = 0;
    status[i] = (int8_t)simulator->type->simulate(simulator->config, theta + i * d, d, x + i * c, &stream,
                                                  message[i], MESSAGE);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Data of a simulation that is not done is NaN, so that nobody takes half a result for one. */
static void CheckRow(int n_data, double *x, int8_t *status, char *message)
{
  for (int j = 0; j < n_data && *status == RHEO_SIMULATION_DONE; ++j) {
    if (isfinite(x[j])) continue;
    *status = RHEO_SIMULATION_NOT_FINITE;
    snprintf(message, MESSAGE, "datum %d of %d is %g", j + 1, n_data, x[j]);
  }
  if (*status == RHEO_SIMULATION_DONE) return;
  for (int j = 0; j < n_data; ++j) x[j] = NAN;
}

PetscErrorCode RheoSimulate(RheoSimulator simulator, RheoPrior prior, uint64_t seed, uint64_t first,
                            int64_t n, int draw, double *theta, double *x, int8_t *status,
                            char (*message)[MESSAGE])
{
  const int d = simulator->n_parameters, c = simulator->n_data;
  char(*texts)[MESSAGE];
  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_SIMULATE));
  if (message) memset(message, 0, RHEO_SIMULATION_STATUSES * sizeof message[0]);
  PetscCall(PetscMalloc1(CHUNK, &texts));
  for (int64_t start = 0; start < n; start += CHUNK) {
    const int64_t m = n - start < CHUNK ? n - start : CHUNK;
    for (int64_t i = start; i < start + m && draw; ++i) {
      RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_PRIOR, 0, first + (uint64_t)i);
      RheoPriorSample(prior, &stream, theta + i * d);
    }
    for (int64_t i = 0; i < m; ++i) texts[i][0] = 0;
    if (simulator->type->simulate_batch) {
      PetscCall(simulator->type->simulate_batch(simulator, m, theta + start * d, seed,
                                                first + (uint64_t)start, x + start * c, status + start,
                                                texts));
    } else {
      PetscCall(SimulateEach(simulator, seed, first + (uint64_t)start, m, theta + start * d, x + start * c,
                             status + start, texts));
    }
    for (int64_t i = 0; i < m; ++i) {
      CheckRow(c, x + (start + i) * c, &status[start + i], texts[i]);
      const int s = status[start + i];
      if (s != RHEO_SIMULATION_DONE && message && !message[s][0]) memcpy(message[s], texts[i], MESSAGE);
    }
  }
  PetscCall(PetscFree(texts));
  PetscCall(RheoEventEnd(RHEO_EVENT_SIMULATE));
  PetscFunctionReturn(RHEO_OK);
}
