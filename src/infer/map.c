/* The maximum of a posterior. */
#include "../base/event.h"
#include "../cnf/search_check.h"
#include "posterior_impl.h"
#include <math.h>
#include <petsctao.h>

typedef struct {
  RheoPosterior p;
  RheoDensityPoint point;
  double *lower, *upper; /* (D) where scores may be */
  double first, best;    /* what is minimised, at the start and at the last step that led on */
  int idle;              /* steps since then */
} Maximum;

/* The score of a parameter next to a bound may be infinite: where its digits end, not where it was drawn. */
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
    /* Of a type of TAO's that minds no bounds (-tao_type). */
    if (z[k] < m->lower[k] - step || z[k] > m->upper[k] + step) within = PETSC_FALSE;
    log_q += RheoPosteriorBeyond(p, k, z[k]);
    out[k] = -out[k] -
             (RheoPosteriorBeyond(p, k, z[k] + step) - RheoPosteriorBeyond(p, k, z[k] - step)) / (2 * step);
    if (!isfinite(out[k])) out[k] = 0;
  }
  PetscCall(VecRestoreArrayWrite(g, &out));
  PetscCall(VecRestoreArrayRead(scores, &z));
  if (!within) log_q = -INFINITY;
  if (isnan(m->first) && isfinite(log_q)) m->first = -log_q;
  /* Where nothing is finite the line search must see a wall, but not so high that what it interpolates is no step at all. */
  *f = isfinite(log_q) ? -log_q : isnan(m->first) ? 1e30 : 10 * (1 + fabs(m->first));
  PetscFunctionReturn(RHEO_OK);
}

/* Rounding and a solver's tolerance, and the kinks of splines, may keep the gradient above any tolerance of its own: what leads
 * nowhere has arrived. */
static PetscErrorCode Converged(Tao tao, void *data)
{
  enum { IDLE = 3 };
  Maximum *m = data;
  TaoConvergedReason reason;
  PetscReal f;

  PetscFunctionBeginUser;
  PetscCall(TaoDefaultConvergenceTest(tao, NULL));
  PetscCall(TaoGetSolutionStatus(tao, NULL, &f, NULL, NULL, NULL, &reason));
  m->idle = f < m->best - 1e-8 * (1 + fabs(f)) ? 0 : m->idle + 1;
  m->best = PetscMin(m->best, f);
  if (reason == TAO_CONTINUE_ITERATING && m->idle >= IDLE)
    PetscCall(TaoSetConvergedReason(tao, TAO_CONVERGED_USER));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetBounds(Tao tao, int d, const double *low, const double *high)
{
  Vec lower, upper;

  PetscFunctionBeginUser;
  PetscCall(VecCreateSeqWithArray(PETSC_COMM_SELF, 1, d, low, &lower));
  PetscCall(VecCreateSeqWithArray(PETSC_COMM_SELF, 1, d, high, &upper));
  PetscCall(TaoSetVariableBounds(tao, lower, upper));
  PetscCall(VecDestroy(&lower));
  PetscCall(VecDestroy(&upper));
  PetscFunctionReturn(RHEO_OK);
}

enum { SAMPLES = 1000 };

static double Score(RheoPosterior p, int k, double theta)
{
  const double z = RheoPriorToNormal(p->prior, k, theta);
  return PetscClipInterval(z, -REACH, REACH);
}

/* The scores of the samples of highest density, starts (n, D): where searches begin; and those of the outermost samples, (D) each,
 * where they end. Further out nobody has seen the density: where an estimated one dies out a little more slowly than the normal one,
 * and the posterior leans on an end of the prior, it would rise towards that end without limit. */
static PetscErrorCode Starts(RheoPosterior p, const double *x, uint64_t seed, int n, double *starts,
                             double *lower, double *upper)
{
  double *samples, *log_prob;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(SAMPLES * p->d, &samples, SAMPLES, &log_prob));
  PetscCall(RheoPosteriorSample(p, x, seed, 0, SAMPLES, samples, log_prob));
  for (int k = 0; k < p->d; k++) {
    lower[k] = REACH;
    upper[k] = -REACH;
    for (int i = 0; i < SAMPLES; i++) {
      const double z = Score(p, k, samples[i * p->d + k]); /* NaN of one that was lost */
      if (z < lower[k]) lower[k] = z;
      if (z > upper[k]) upper[k] = z;
    }
  }
  for (int s = 0; s < n; s++) {
    int top = 0;
    for (int i = 1; i < SAMPLES; i++)
      if (log_prob[i] > log_prob[top] || isnan(log_prob[top])) top = i;
    for (int k = 0; k < p->d; k++) starts[s * p->d + k] = Score(p, k, samples[top * p->d + k]);
    log_prob[top] = NAN;
  }
  PetscCall(PetscFree2(samples, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

/* Climbs from start (D), and keeps what it finds in theta and log_prob where that is better. */
static PetscErrorCode Climb(Maximum *m, Tao tao, Vec scores, const double *start, double *theta,
                            double *log_prob)
{
  RheoPosterior p = m->p;
  PetscScalar *z;
  PetscReal value;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(scores, &z));
  for (int k = 0; k < p->d; k++) z[k] = start[k];
  PetscCall(VecRestoreArrayWrite(scores, &z));
  m->first = NAN;
  m->best = INFINITY;
  m->idle = 0;
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
  PetscCall(RheoSearchCheck(NULL, p->comm));
  PetscCall(RheoEventBegin(RHEO_EVENT_MAP));
  PetscCall(PetscMalloc3(n * p->d, &starts, p->d, &m.lower, p->d, &m.upper));
  PetscCall(Starts(p, x, seed, n, starts, m.lower, m.upper)); /* looks at x, too */
  PetscCall(PetscMalloc1(p->c, &context));
  RheoPosteriorTransformData(p, 1, x, context);
  PetscCall(RheoDensityPointCreate(p->density, context, &m.point));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, p->d, &scores));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, TAOBLMVM));
  PetscCall(TaoSetSolution(tao, scores));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, &m));
  PetscCall(SetBounds(tao, p->d, m.lower, m.upper));
  PetscCall(TaoSetConvergenceTest(tao, Converged, &m));
  PetscCall(TaoSetTolerances(tao, 1e-6, 1e-8, 0));
  PetscCall(TaoSetMaximumIterations(tao, 500));
  PetscCall(TaoSetFromOptions(tao));
  for (int k = 0; k < p->d; k++) theta[k] = RheoPriorFromNormal(p->prior, k, starts[k]);
  for (int s = 0; s < n; s++) PetscCall(Climb(&m, tao, scores, starts + s * p->d, theta, &top));
  if (log_prob) *log_prob = top;
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&scores));
  PetscCall(RheoDensityPointDestroy(&m.point));
  PetscCall(PetscFree(context));
  PetscCall(PetscFree3(starts, m.lower, m.upper));
  PetscCall(RheoEventEnd(RHEO_EVENT_MAP));
  PetscFunctionReturn(RHEO_OK);
}
