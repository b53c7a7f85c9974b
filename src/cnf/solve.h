/* Following a velocity field: PETSc TS moves samples and their log-densities from source to data and back.
 *
 * One TS per rank over its own rows (COMM_SELF): nothing here communicates. Rows are solved in groups that share their
 * steps; within a group the worst sample decides on a step (infinity norm), so that no sample is diluted by its mates.
 * Options -ts_* of PETSc work and win over the deck; those that would end a solve elsewhere or look at no error are refused.
 *
 * A row's answer depends on its mates within the tolerance only; with fixed steps not at all. Groups are rows 0..group-1,
 * group..2 group-1, ... of a call, so callers that cut rows over ranks with RheoSolverRange get the same bits on any
 * number of ranks. A solver is used by one thread at a time.
 */
#pragma once
#include "cnf.h"

typedef enum { RHEO_DIVERGENCE_EXACT, RHEO_DIVERGENCE_NORMAL, RHEO_DIVERGENCE_RADEMACHER } RheoDivergence;
typedef enum { RHEO_SOLVE_SINGLE, RHEO_SOLVE_DOUBLE } RheoSolvePrecision;

typedef struct {
  const char *scheme; /* see scheme.h */
  int64_t steps;      /* fixed steps from 0 to 1; 0: adaptive */
  double rtol, atol;  /* of a step; a log-density's error is held below their sum */
  int64_t group;      /* rows that share their steps */
  int64_t most;       /* steps of a solve at most */
  int divergence;     /* RheoDivergence, for log-densities */
  int probes;         /* Hutchinson vectors a sample, frozen for a solve */
  int precision;      /* RheoSolvePrecision: of the field; the state is always double */
} RheoSolveConfig;
extern const RheoKey RheoSolveKeys[]; /* section cnf.solve */
/* Reads the section, and rejects with its place what RheoSolverCreate would: an unknown scheme, one that cannot choose its
 * steps where config asks for it, a tolerance beyond the precision, and options of PETSc that are wrong or have no place here.
 * Collective on the deck. */
PetscErrorCode RheoSolveRead(RheoDeck deck, RheoSolveConfig *config);

typedef enum {
  RHEO_SOLVE_DONE,
  RHEO_SOLVE_NOT_FINITE, /* the velocity */
  RHEO_SOLVE_TOLERANCE,  /* no step meets it */
  RHEO_SOLVE_STEPS       /* more than `most` */
} RheoSolveStatus;
/* "the velocity is not finite", ...; "" of RHEO_SOLVE_DONE. */
const char *RheoSolveReason(RheoSolveStatus status);

typedef struct {
  int64_t n_failed, failed; /* rows without an answer; the first of them, -1 for none */
  RheoSolveStatus status;   /* of that one */
  double t, dt;             /* where it ended */
  int64_t steps, rejected;  /* summed over groups */
  int64_t evaluations;      /* of the field, in rows */
} RheoSolveReport;

typedef struct RheoSolver_ *RheoSolver;

/* params: the layout that holds scope_name's parameters (the field must have been named in it). Compiles. What RheoSolveRead
 * rejects is RHEO_ERR_INPUT here too. Not collective. */
PetscErrorCode RheoSolverCreate(RheoCnf cnf, RheoParams params, const char *scope_name,
                                const RheoSolveConfig *config, RheoSolver *solver);
PetscErrorCode RheoSolverDestroy(RheoSolver *solver);
PetscErrorCode RheoSolverSetValues(RheoSolver solver, const float *values); /* (P), borrowed while solving */
int64_t RheoSolverGroup(RheoSolver solver);
/* As RheoRange, cut at multiples of the group: the share of this rank of n rows. */
void RheoSolverRange(RheoSolver solver, MPI_Comm comm, int64_t n, int64_t *begin, int64_t *end);

/* Rows of a solve. index (n) keys the Hutchinson noise: stream (seed, RHEO_STREAM_SAMPLE, 1, index); NULL: 0, 1, ... */
typedef struct {
  int64_t n;
  const double *context; /* (n, C), NULL where C is 0 */
  uint64_t seed;
  const uint64_t *index;
} RheoSolveRows;

/* Where cnf.source is data, log-densities are without that of the source, log p(x) - log p(source): whoever knows it adds it. */

/* source (n, D) -> x (n, D); log_prob (n) of x, or NULL. Rows that fail become NaN, the others are delivered; report (or
 * NULL) says how many and why, and one warning is logged. A group with a row that fails is cut in two, again and again;
 * where sixteen rows in a row have used up their steps the rest of their group is given up with them. Densities where the source is
 * data are RHEO_ERR_INPUT. */
PetscErrorCode RheoSolverSample(RheoSolver solver, const RheoSolveRows *rows, const double *source, double *x,
                                double *log_prob, RheoSolveReport *report);
/* log p(x | context) (n), or NULL; variance (n) of the estimate as the probes show it (NaN for one probe, or an exact
 * divergence), or NULL. source (n, D): where x comes from, or NULL. */
PetscErrorCode RheoSolverLogProb(RheoSolver solver, const RheoSolveRows *rows, const double *x,
                                 double *log_prob, double *variance, double *source, RheoSolveReport *report);

/* The map itself, in field coordinates: z (n, D) from t0 to t1 in place; log_det (n) is the integral of the divergence from
 * t0 to t1, or NULL; energy (n) the integral of |v|^2, positive whichever way, or NULL. */
PetscErrorCode RheoSolverIntegrate(RheoSolver solver, const RheoSolveRows *rows, double t0, double t1,
                                   double *z, double *log_det, double *energy, RheoSolveReport *report);
/* Places on the way from source to data: path (n_times, n, D) in data coordinates at times[0..n_times-1], ascending in [0, 1]. */
PetscErrorCode RheoSolverTrajectory(RheoSolver solver, const RheoSolveRows *rows, const double *source,
                                    int n_times, const double *times, double *path, RheoSolveReport *report);
