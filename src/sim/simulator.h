/* Simulators: from parameters to data. Built in, a plug-in (rheo_simulator.h), or an external command.
 *
 * A type is one file under impls/ and one line in simulator_types.def. Deck:
 *   simulator: {type: command, command: {line: "python3 sim.py", n_data: 14, batch: 64, timeout: 60}}
 */
#pragma once
#include "prior.h"

typedef struct RheoSimulator_ *RheoSimulator;

typedef enum {
  RHEO_SIMULATION_DONE = 0,
  RHEO_SIMULATION_FAILED = 1,     /* the simulator said so */
  RHEO_SIMULATION_NOT_FINITE = 2, /* NaN or infinity in the data */
  RHEO_SIMULATION_CRASHED = 3,    /* command: ended or was killed by a signal */
  RHEO_SIMULATION_TIMEOUT = 4,    /* command: longer than its time limit */
  RHEO_SIMULATION_GARBAGE = 5,    /* command: not the numbers that were agreed */
} RheoSimulationStatus;
enum { RHEO_SIMULATION_STATUSES = 6 };
const char *RheoSimulationStatusName(RheoSimulationStatus status);

typedef struct RheoSimulatorType RheoSimulatorType;
struct RheoSimulatorType {
  const char *name, *summary, *reference;
  const RheoKey *keys; /* section simulator.<name>; NULL for none */
  size_t size;         /* of config */
  int n_parameters;    /* REQUIRED; 0: any */
  /* OPTIONAL: opens what config names; sets n_data and names. Errors are collective. */
  PetscErrorCode (*set_up)(RheoSimulator simulator, RheoDeck deck, int n_parameters);
  PetscErrorCode (*destroy)(RheoSimulator simulator);
  int n_data;                    /* of built-ins; 0 where set_up says */
  const char *const *data_names; /* n_data; NULL: x1, x2, ... */
  const char *default_prior;     /* YAML of a `prior` section, as the literature has it; NULL for none */
  /* One of the two is REQUIRED. One simulation; message gets the reason of a failure. */
  RheoSimulationStatus (*simulate)(const void *config, const double *theta, int n_parameters, double *x,
                                   RheoStream *stream, char *message, size_t message_size);
  /* A batch, for commands: theta (n, D), x (n, C), status (n); messages[i] may get a text. */
  PetscErrorCode (*simulate_batch)(RheoSimulator simulator, int64_t n, const double *theta, uint64_t seed,
                                   uint64_t first, double *x, int8_t *status, char (*message)[256]);
};
extern const RheoSimulatorType *const RheoSimulatorTypes[]; /* NULL at the end */

PetscErrorCode RheoSimulatorCreate(RheoSimulator *simulator);
PetscErrorCode RheoSimulatorDestroy(RheoSimulator *simulator);
PetscErrorCode RheoSimulatorSetFromDeck(RheoSimulator simulator, RheoDeck deck,
                                        int n_parameters); /* collective */
int RheoSimulatorDataSize(RheoSimulator simulator);        /* C */
const char *RheoSimulatorDataName(RheoSimulator simulator, int i);
PetscErrorCode RheoSimulatorGetSections(int *n, const RheoSection **sections);

/* The prior that the type in the deck brings along, YAML with the key `prior`; NULL for none. Collective. */
PetscErrorCode RheoSimulatorDefaultPrior(RheoDeck deck, const char **text);

/* Simulations first .. first + n - 1 of a run: theta (n, D) is drawn from the prior if draw, else given; x (n, C), status
 * (n) of RheoSimulationStatus. Simulation i is a pure function of (seed, i). message: the first reason of each status,
 * for the log (RHEO_SIMULATION_STATUSES of them). Data of a simulation that was not done is NaN. Not collective. */
PetscErrorCode RheoSimulate(RheoSimulator simulator, RheoPrior prior, uint64_t seed, uint64_t first,
                            int64_t n, int draw, double *theta, double *x, int8_t *status,
                            char (*message)[256]);

/* Section `simulate`, for whoever makes a data set of it. In the library, because what trains on the data set takes the keys that say
 * how a run goes out of the deck's text. */
typedef struct {
  int64_t n;         /* simulations */
  double keep_every; /* seconds */
  PetscBool restart;
} RheoSimulateConfig;
extern const RheoKey RheoSimulateKeys[];

/* The observation of a deck: `observation: {values: [..]}` or `{file: obs.csv}`; x (C). The file, beside the deck or from
 * the working directory, holds numbers between commas or blanks, perhaps under a header, in reading order; `column`
 * picks one column by name or number from 1. Lines from # are comments. A wrong count and values that are not finite
 * are RHEO_ERR_INPUT; of values and file the one on the command line wins. Collective. */
PetscErrorCode RheoObservationRead(RheoDeck deck, int n_data, double *x);
extern const RheoKey RheoObservationKeys[];

/* Makes a deck stand alone: the observation's values take the place of its file, the paths of a plug-in and of a
 * command's folder become absolute where they are there. To be called before the deck is written into a file. Collective. */
PetscErrorCode RheoSimulatorPin(RheoDeck deck, int n_data);

/* Puts into the deck what its simulations were made by: simulator.command.checksum, of the files that the words of `line` name (not
 * those that it writes by > nor programs found along PATH), or simulator.plugin.checksum. Of nothing where there are no such files,
 * nor of built-ins. A warning where another one stood there. Collective. */
PetscErrorCode RheoSimulatorPinProgram(RheoDeck deck);

/* Derived quantities: `derived: {R0: beta / gamma, phi: 1 / inv_phi}`. Expressions of parameter names, quantities above,
 * numbers and pi with + - * / ^ ( ) and exp log sqrt abs min max. */
typedef struct RheoDerived_ *RheoDerived;
extern const RheoKey RheoDerivedKeys[]; /* section "derived": any name, an expression */
PetscErrorCode RheoDerivedCreate(RheoDeck deck, RheoPrior prior,
                                 RheoDerived *derived); /* collective; size 0 without section */
PetscErrorCode RheoDerivedDestroy(RheoDerived *derived);
int RheoDerivedSize(RheoDerived derived);
const char *RheoDerivedName(RheoDerived derived, int i);
void RheoDerivedEvaluate(RheoDerived derived, const double *theta, double *q); /* q (RheoDerivedSize) */
