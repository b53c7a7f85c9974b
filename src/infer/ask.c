/* Asking a posterior: samples, densities, the maximum. Nothing here communicates. */
#include "posterior_impl.h"
#include <math.h>
#include <petsctao.h>
#include <string.h>

/* Rows are worked on in pieces, so that memory does not grow with the number of samples. */
enum { PIECE = 4096 };
static const double LOG_ROOT_TWO_PI = 0.91893853320467274178;

/* One row of the network's: parameters and their density from scores and theirs. */
static void FromScores(RheoPosterior p, const float *score, double log_q, double *theta, double *log_prob)
{
  double sum = log_q;
  for (int k = 0; k < p->d; k++) {
    theta[k] = RheoPriorFromNormal(p->prior, k, score[k]);
    sum += 0.5 * (double)score[k] * score[k] + LOG_ROOT_TWO_PI +
           RheoPriorMarginalLogDensity(p->prior, k, theta[k]);
  }
  if (log_prob) *log_prob = sum;
}

/* One observation as the network sees it: context (C). */
static PetscErrorCode Observe(RheoPosterior p, const double *x, float *context)
{
  PetscFunctionBeginUser;
  RheoPosteriorTransformData(p, 1, x, context);
  for (int k = 0; k < p->c; k++)
    RheoInputCheck(isfinite(context[k]), PETSC_COMM_SELF,
                   "value %d of the observation, %g, is not finite after data.transform", k + 1, x[k]);
  PetscFunctionReturn(RHEO_OK);
}

/* x (n, C), or one observation's context for all rows where x is NULL; the index of row i is index[i] or first + i. */
typedef struct {
  const double *x;
  const float *context;
  const uint64_t *index;
  uint64_t first;
} Rows;

static PetscErrorCode SampleRows(RheoPosterior p, int64_t n, Rows from, uint64_t seed, double *theta,
                                 double *log_prob)
{
  RheoWork work;
  float *noise, *context, *t, *lp;
  const int64_t m = PetscMin(n, PIECE);

  PetscFunctionBeginUser;
  PetscCall(RheoWorkCreate(p->sample_plan, &work));
  PetscCall(PetscMalloc4(m * p->d, &noise, m * p->c, &context, m * p->d, &t, m, &lp));
  for (int64_t i = 0; i < m && !from.x; i++) PetscCall(PetscArraycpy(context + i * p->c, from.context, p->c));
  for (int64_t first = 0; first < n; first += m) {
    const int64_t rows = PetscMin(m, n - first);
    const uint64_t *index = from.index ? from.index + first : NULL;
    if (RheoFlowNoise(p->flow) == RHEO_INPUT_NOISE_NORMAL)
      RheoStreamFillNormal(seed, RHEO_STREAM_SAMPLE, 0, (size_t)rows, index, from.first + (uint64_t)first,
                           (size_t)p->d, noise);
    else
      RheoStreamFillUniform(seed, RHEO_STREAM_SAMPLE, 0, (size_t)rows, index, from.first + (uint64_t)first,
                            (size_t)p->d, noise);
    if (from.x) RheoPosteriorTransformData(p, rows, from.x + first * p->c, context);
    RheoPlanRunRows(p->sample_plan, work, p->values, rows, (const void *const[]){noise, context},
                    (void *const[]){t, lp});
    for (int64_t i = 0; i < rows; i++)
      FromScores(p, t + i * p->d, lp[i], theta + (first + i) * p->d, log_prob ? log_prob + first + i : NULL);
  }
  PetscCall(PetscFree4(noise, context, t, lp));
  PetscCall(RheoWorkDestroy(&work));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSampleRows(RheoPosterior p, int64_t n, const double *x, uint64_t seed,
                                       const uint64_t *index, double *theta, double *log_prob)
{
  PetscFunctionBeginUser;
  PetscCall(SampleRows(p, n, (Rows){.x = x, .index = index}, seed, theta, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSample(RheoPosterior p, const double *x, uint64_t seed, uint64_t first, int64_t n,
                                   double *theta, double *log_prob)
{
  float *context;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(p->c, &context));
  PetscErrorCode code = Observe(p, x, context);
  if (!code) code = SampleRows(p, n, (Rows){.context = context, .first = first}, seed, theta, log_prob);
  PetscCall(PetscFree(context));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* The other way round: scores, and what log q(z) lacks to log q(theta); -infinity outside the prior. */
static double ToScores(RheoPosterior p, const double *theta, float *score)
{
  double sum = 0;
  for (int k = 0; k < p->d; k++) {
    const double z = RheoPriorToNormal(p->prior, k, theta[k]);
    score[k] = isfinite(z) ? (float)z : 0;
    sum += isfinite(z) ? 0.5 * z * z + LOG_ROOT_TWO_PI + RheoPriorMarginalLogDensity(p->prior, k, theta[k])
                       : -INFINITY;
  }
  return sum;
}

PetscErrorCode RheoPosteriorLogProb(RheoPosterior p, int64_t n, const double *theta, const double *x,
                                    PetscBool shared, double *log_prob)
{
  RheoWork work;
  float *t, *context, *lp;
  const int64_t m = PetscMin(n, PIECE);

  PetscFunctionBeginUser;
  if (n < 1) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoWorkCreate(p->log_prob_plan, &work));
  PetscCall(PetscMalloc3(m * p->d, &t, m * p->c, &context, m, &lp));
  if (shared) PetscCall(Observe(p, x, context));
  for (int64_t i = 1; i < m && shared; i++) PetscCall(PetscArraycpy(context + i * p->c, context, p->c));
  for (int64_t first = 0; first < n; first += m) {
    const int64_t rows = PetscMin(m, n - first);
    for (int64_t i = 0; i < rows; i++)
      log_prob[first + i] = ToScores(p, theta + (first + i) * p->d, t + i * p->d);
    if (!shared) RheoPosteriorTransformData(p, rows, x + first * p->c, context);
    RheoPlanRunRows(p->log_prob_plan, work, p->values, rows, (const void *const[]){t, context},
                    (void *const[]){lp});
    for (int64_t i = 0; i < rows; i++) log_prob[first + i] += lp[i];
  }
  PetscCall(PetscFree3(t, context, lp));
  PetscCall(RheoWorkDestroy(&work));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Maximum a posteriori ---- */
typedef struct {
  RheoPosterior p;
  RheoPlan plan; /* double, one row: log q(z) and its gradient */
  RheoWork work;
  double *values, *context, *gradient;
} Maximum;

/* What log q(theta) has beyond log q(z), for one parameter, as a function of its score. */
static double Beyond(RheoPosterior p, int k, double z)
{
  return 0.5 * z * z + RheoPriorMarginalLogDensity(p->prior, k, RheoPriorFromNormal(p->prior, k, z));
}

/* -log q(theta(z)) and its gradient in z. The prior's part is one-dimensional functions of GSL, differentiated by central
 * differences. */
static PetscErrorCode Objective(Tao tao, Vec scores, PetscReal *f, Vec g, void *data)
{
  const double step = 1e-5;
  Maximum *m = data;
  const PetscScalar *z;
  PetscScalar *out;
  double log_q;

  PetscFunctionBeginUser;
  (void)tao;
  PetscCall(VecGetArrayRead(scores, &z));
  PetscCall(VecGetArrayWrite(g, &out));
  RheoPlanRun(m->plan, m->work, m->values, (const void *const[]){z, m->context},
              (void *const[]){&log_q, m->gradient});
  for (int k = 0; k < m->p->d; k++) {
    log_q += Beyond(m->p, k, z[k]) + LOG_ROOT_TWO_PI;
    out[k] = -m->gradient[k] - (Beyond(m->p, k, z[k] + step) - Beyond(m->p, k, z[k] - step)) / (2 * step);
    /* Where nothing is finite the line search must see a wall, not a NaN. */
    if (!isfinite(out[k])) out[k] = 0;
  }
  PetscCall(VecRestoreArrayWrite(g, &out));
  PetscCall(VecRestoreArrayRead(scores, &z));
  *f = isfinite(log_q) ? -log_q : 1e30;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode MaximumCreate(RheoPosterior p, const double *x, Maximum *m)
{
  RheoProgram program;
  RheoVal out[2];
  const size_t n = RheoParamsSize(p->params);
  float *y;

  PetscFunctionBeginUser;
  m->p = p;
  PetscCall(RheoProgramCreate(1, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, p->params, 0), "flow");
  RheoVal z = rx_rows(program, "z", p->d), context = rx_rows(program, "x", p->c);
  out[0] = rx_sum_all(p->type->log_prob(p, scope, z, context));
  out[1] = rx_grad(out[0], z);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 2, out, &m->plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(m->plan, &m->work));
  PetscCall(PetscMalloc3(n, &m->values, p->c, &m->context, p->d, &m->gradient));
  for (size_t i = 0; i < n; i++) m->values[i] = p->values[i];
  PetscCall(PetscMalloc1(p->c, &y));
  RheoPosteriorTransformData(p, 1, x, y);
  for (int k = 0; k < p->c; k++) m->context[k] = y[k];
  PetscCall(PetscFree(y));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode MaximumDestroy(Maximum *m)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(m->values, m->context, m->gradient));
  PetscCall(RheoWorkDestroy(&m->work));
  PetscCall(RheoPlanDestroy(&m->plan));
  PetscFunctionReturn(RHEO_OK);
}

/* The samples of highest density, starts (STARTS, D): where searches begin. Splines have kinks and many low hills, so that
 * one search may end on the wrong one. */
enum { SAMPLES = 1000, STARTS = 8 };

static PetscErrorCode Starts(RheoPosterior p, const double *x, uint64_t seed, double *starts)
{
  double *samples, *log_prob;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(SAMPLES * p->d, &samples, SAMPLES, &log_prob));
  PetscCall(RheoPosteriorSample(p, x, seed, 0, SAMPLES, samples, log_prob));
  for (int s = 0; s < STARTS; s++) {
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
    z[k] = PetscClipInterval(z[k], -8, 8);
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
  Maximum m;
  Tao tao;
  Vec scores;
  double *starts, top = -INFINITY;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(STARTS * p->d, &starts));
  PetscCall(Starts(p, x, seed, starts)); /* looks at x, too */
  PetscCall(MaximumCreate(p, x, &m));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, p->d, &scores));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, TAOLMVM));
  PetscCall(TaoSetSolution(tao, scores));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, &m));
  PetscCall(TaoSetTolerances(tao, 1e-6, 1e-8, 0));
  PetscCall(TaoSetMaximumIterations(tao, 500));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(PetscArraycpy(theta, starts, p->d));
  for (int s = 0; s < STARTS; s++) PetscCall(Climb(p, tao, scores, starts + s * p->d, theta, &top));
  if (log_prob) *log_prob = top;
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&scores));
  PetscCall(MaximumDestroy(&m));
  PetscCall(PetscFree(starts));
  PetscFunctionReturn(RHEO_OK);
}
