/* The maximum of a posterior. */
#include "../base/event.h"
#include "posterior_impl.h"
#include <math.h>
#include <petsctao.h>

typedef struct {
  RheoPosterior p;
  RheoDensityPoint point;
} Maximum;

/* Scores further out are of no parameter that a sample shows, and where an estimated density does not die out as fast as the
 * normal one it would rise towards the end of the prior without limit. */
static const double REACH = 8;

/* -log q(theta(z)) and its gradient in z. The prior's part is one-dimensional functions of GSL, differentiated by central
 * differences. */
static PetscErrorCode Objective(Tao tao, Vec scores, PetscReal *f, Vec g, void *data)
{
  const double step = 1e-5;
  Maximum *m = data;
  RheoPosterior p = m->p;
  PetscBool within = PETSC_TRUE;
  const PetscScalar *z;
  PetscScalar *out;
  double log_q;

  PetscFunctionBeginUser;
  (void)tao;
  PetscCall(VecGetArrayRead(scores, &z));
  PetscCall(VecGetArrayWrite(g, &out));
  PetscCall(RheoDensityPointEvaluate(m->point, z, &log_q, out));
  for (int k = 0; k < p->d; k++) {
    if (fabs(z[k]) > REACH) within = PETSC_FALSE;
    log_q += RheoPosteriorBeyond(p, k, z[k]);
    out[k] = -out[k] -
             (RheoPosteriorBeyond(p, k, z[k] + step) - RheoPosteriorBeyond(p, k, z[k] - step)) / (2 * step);
    /* Where nothing is finite the line search must see a wall, not a NaN. */
    if (!isfinite(out[k])) out[k] = 0;
  }
  PetscCall(VecRestoreArrayWrite(g, &out));
  PetscCall(VecRestoreArrayRead(scores, &z));
  *f = isfinite(log_q) && within ? -log_q : 1e30;
  PetscFunctionReturn(RHEO_OK);
}

enum { SAMPLES = 1000 };

/* The samples of highest density, starts (n, D): where searches begin. */
static PetscErrorCode Starts(RheoPosterior p, const double *x, uint64_t seed, int n, double *starts)
{
  double *samples, *log_prob;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(SAMPLES * p->d, &samples, SAMPLES, &log_prob));
  PetscCall(RheoPosteriorSample(p, x, seed, 0, SAMPLES, samples, log_prob));
  for (int s = 0; s < n; s++) {
    int top = 0;
    for (int i = 1; i < SAMPLES; i++)
      if (log_prob[i] > log_prob[top] || isnan(log_prob[top])) top = i;
    PetscCall(PetscArraycpy(starts + s * p->d, samples + top * p->d, p->d));
    log_prob[top] = NAN;
  }
  PetscCall(PetscFree2(samples, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

/* Climbs from start (D), and keeps what it finds in theta and log_prob where that is better. */
static PetscErrorCode Climb(RheoPosterior p, Tao tao, Vec scores, const double *start, double *theta,
                            double *log_prob)
{
  PetscScalar *z;
  PetscReal value;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(scores, &z));
  for (int k = 0; k < p->d; k++) {
    /* The score of a parameter next to a bound may be infinite: where its digits end, not where it was drawn. */
    z[k] = RheoPriorToNormal(p->prior, k, start[k]);
    z[k] = PetscClipInterval(z[k], -REACH, REACH);
  }
  PetscCall(VecRestoreArrayWrite(scores, &z));
  PetscCall(TaoSolve(tao));
  PetscCall(TaoGetSolutionStatus(tao, NULL, &value, NULL, NULL, NULL, NULL));
  if (!(-value > *log_prob)) PetscFunctionReturn(RHEO_OK);
  *log_prob = -value;
  PetscCall(VecGetArray(scores, &z));
  for (int k = 0; k < p->d; k++) theta[k] = RheoPriorFromNormal(p->prior, k, z[k]);
  PetscCall(VecRestoreArray(scores, &z));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorMap(RheoPosterior p, const double *x, uint64_t seed, double *theta,
                                double *log_prob)
{
  const int n = RheoDensityHills(p->density);
  Maximum m = {.p = p};
  Tao tao;
  Vec scores;
  float *context;
  double *starts, top = -INFINITY;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_MAP));
  PetscCall(PetscMalloc1(n * p->d, &starts));
  PetscCall(Starts(p, x, seed, n, starts)); /* looks at x, too */
  PetscCall(PetscMalloc1(p->c, &context));
  RheoPosteriorTransformData(p, 1, x, context);
  PetscCall(RheoDensityPointCreate(p->density, context, &m.point));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, p->d, &scores));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, TAOLMVM));
  PetscCall(TaoSetSolution(tao, scores));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, &m));
  PetscCall(TaoSetTolerances(tao, 1e-6, 1e-8, 0));
  PetscCall(TaoSetMaximumIterations(tao, 500));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(PetscArraycpy(theta, starts, p->d));
  for (int s = 0; s < n; s++) PetscCall(Climb(p, tao, scores, starts + s * p->d, theta, &top));
  if (log_prob) *log_prob = top;
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&scores));
  PetscCall(RheoDensityPointDestroy(&m.point));
  PetscCall(PetscFree(context));
  PetscCall(PetscFree(starts));
  PetscCall(RheoEventEnd(RHEO_EVENT_MAP));
  PetscFunctionReturn(RHEO_OK);
}
