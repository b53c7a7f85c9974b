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

PetscErrorCode RheoPosteriorSampleRows(RheoPosterior p, int64_t n, const double *x, uint64_t seed,
                                       const uint64_t *index, double *theta, double *log_prob)
{
  RheoWork work;
  float *noise, *context, *t, *lp;
  const int64_t m = PetscMin(n, PIECE);

  PetscFunctionBeginUser;
  PetscCall(RheoWorkCreate(p->sample_plan, &work));
  PetscCall(PetscMalloc4(m * p->d, &noise, m * p->c, &context, m * p->d, &t, m, &lp));
  for (int64_t first = 0; first < n; first += m) {
    const int64_t rows = PetscMin(m, n - first);
    if (RheoFlowNoise(p->flow) == RHEO_INPUT_NOISE_NORMAL)
      RheoStreamFillNormal(seed, RHEO_STREAM_SAMPLE, 0, (size_t)rows, index + first, 0, (size_t)p->d, noise);
    else
      RheoStreamFillUniform(seed, RHEO_STREAM_SAMPLE, 0, (size_t)rows, index + first, 0, (size_t)p->d, noise);
    RheoPosteriorTransformData(p, rows, x + first * p->c, context);
    RheoPlanRunRows(p->sample_plan, work, p->values, rows, (const void *const[]){noise, context},
                    (void *const[]){t, lp});
    for (int64_t i = 0; i < rows; i++)
      FromScores(p, t + i * p->d, lp[i], theta + (first + i) * p->d, log_prob ? log_prob + first + i : NULL);
  }
  PetscCall(PetscFree4(noise, context, t, lp));
  PetscCall(RheoWorkDestroy(&work));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSample(RheoPosterior p, const double *x, uint64_t seed, uint64_t first, int64_t n,
                                   double *theta, double *log_prob)
{
  double *rows;
  uint64_t *index;
  const int64_t m = PetscMin(n, PIECE);

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(m * p->c, &rows, m, &index));
  for (int64_t i = 0; i < m; i++) PetscCall(PetscArraycpy(rows + i * p->c, x, p->c));
  for (int64_t done = 0; done < n; done += m) {
    const int64_t count = PetscMin(m, n - done);
    for (int64_t i = 0; i < count; i++) index[i] = first + (uint64_t)(done + i);
    PetscCall(RheoPosteriorSampleRows(p, count, rows, seed, index, theta + done * p->d,
                                      log_prob ? log_prob + done : NULL));
  }
  PetscCall(PetscFree2(rows, index));
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
  PetscCall(RheoWorkCreate(p->log_prob_plan, &work));
  PetscCall(PetscMalloc3(m * p->d, &t, m * p->c, &context, m, &lp));
  for (int64_t first = 0; first < n; first += m) {
    const int64_t rows = PetscMin(m, n - first);
    for (int64_t i = 0; i < rows; i++) {
      log_prob[first + i] = ToScores(p, theta + (first + i) * p->d, t + i * p->d);
      RheoPosteriorTransformData(p, 1, shared ? x : x + (first + i) * p->c, context + i * p->c);
    }
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

/* The sample of highest density is where the search begins. */
static PetscErrorCode Start(RheoPosterior p, const double *x, uint64_t seed, double *theta)
{
  enum { SAMPLES = 1000 };
  double *samples, *log_prob;
  int64_t top = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(SAMPLES * p->d, &samples, SAMPLES, &log_prob));
  PetscCall(RheoPosteriorSample(p, x, seed, 0, SAMPLES, samples, log_prob));
  for (int64_t i = 1; i < SAMPLES; i++)
    if (!(log_prob[i] <= log_prob[top])) top = i;
  PetscCall(PetscArraycpy(theta, samples + top * p->d, p->d));
  PetscCall(PetscFree2(samples, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorMap(RheoPosterior p, const double *x, uint64_t seed, double *theta,
                                double *log_prob)
{
  Maximum m;
  Tao tao;
  Vec scores;
  PetscScalar *z;
  PetscReal value;

  PetscFunctionBeginUser;
  PetscCall(MaximumCreate(p, x, &m));
  PetscCall(Start(p, x, seed, theta));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, p->d, &scores));
  PetscCall(VecGetArrayWrite(scores, &z));
  for (int k = 0; k < p->d; k++) z[k] = RheoPriorToNormal(p->prior, k, theta[k]);
  PetscCall(VecRestoreArrayWrite(scores, &z));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, TAOLMVM));
  PetscCall(TaoSetSolution(tao, scores));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, &m));
  PetscCall(TaoSetTolerances(tao, 1e-6, 1e-8, 0));
  PetscCall(TaoSetMaximumIterations(tao, 500));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(TaoSolve(tao));
  PetscCall(TaoGetSolutionStatus(tao, NULL, &value, NULL, NULL, NULL, NULL));
  PetscCall(VecGetArray(scores, &z));
  for (int k = 0; k < p->d; k++) theta[k] = RheoPriorFromNormal(p->prior, k, z[k]);
  PetscCall(VecRestoreArray(scores, &z));
  if (log_prob) *log_prob = -value;
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&scores));
  PetscCall(MaximumDestroy(&m));
  PetscFunctionReturn(RHEO_OK);
}
