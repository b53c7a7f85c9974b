/* Sinkhorn's iteration for uniform marginals (Cuturi 2013), safe at any regularisation.
 *
 * With L = -cost / epsilon the plan is exp(L_ij + f_i + g_j). A half-step in the log domain costs n^2 exponentials. Most
 * half-steps are therefore taken on scalings a, b of the kernel exp(L + f + g), with products only, and a, b are absorbed
 * into f, g before they leave a safe range (Schmitzer 2019; Peyre & Cuturi 2019, section 4.4). What underflowed in the
 * kernel is then below 1e-260 of a row's weight. Where a whole row or column underflowed, a step in the log domain follows.
 *
 * Plain steps shrink the error by a factor eta each, often .99. Steps in the logarithms of the scalings are made omega times
 * as long (Thibault et al. 2021): nothing else than successive over-relaxation, whose best omega is 2 / (1 + sqrt(1 - eta)) and
 * whose factor lambda then is omega - 1. Where omega is too small, lambda omega^2 eta = (lambda + omega - 1)^2 (Young) tells eta
 * from the factor seen (Lehmann et al. 2022). That holds near the solution; where the error grows, plain steps follow. */
#include "kernels/sinkhorn.h"
#include "assignment.h"
#include <math.h>

typedef struct {
  int n;
  double *log_weight; /* L (n, n) */
  double *kernel;     /* (n, n) */
  double *f, *g, *a, *b, *sum, *most;
  double omega, last, begun; /* error when it was last looked at, and when omega was chosen */
  int steps;                 /* since the last one in the log domain */
} Sinkhorn;

enum { LOOK = 10 }; /* steps from one look at the error to the next */
static const double MostOmega = 1.98, Grown = 10;

/* The largest weight of each row is 1. */
static void Start(Sinkhorn *s)
{
  for (int i = 0; i < s->n; i++) s->f[i] = -largest(s->n, s->log_weight + (size_t)i * (size_t)s->n);
  s->omega = 1;
}

/* Rows, then columns, exactly; afterwards the columns are right. */
static void StepLog(Sinkhorn *s)
{
  const int n = s->n;
  for (int i = 0; i < n; i++) s->f[i] = -log(n) - log_sum_row(n, s->log_weight + (size_t)i * (size_t)n, s->g);
  log_sum_columns(n, s->log_weight, s->f, s->sum, s->most);
  for (int j = 0; j < n; j++) s->g[j] = -log(n) - s->sum[j];
  s->omega = 1;
  s->steps = 0;
}

static void BuildKernel(Sinkhorn *s)
{
  const size_t n = (size_t)s->n;
  for (size_t i = 0; i < n; i++) {
    weigh_row(s->n, s->log_weight + i * n, s->f[i], s->g, s->kernel + i * n);
    s->a[i] = s->b[i] = 1;
  }
}

static int Safe(double x)
{
  return x > 1e-100 && x < 1e100;
}

/* a, moved omega times as far as to the value that is right for itself. */
static double Relaxed(double a, double right, double omega)
{
  return omega == 1 ? right : a * pow(right / a, omega);
}

/* One sweep over the kernel: rows scaled, then columns, unless no more than `tolerance` is wrongly placed between the two.
 * *error is what would be left in the columns with the rows made right, or a little more. Returns 0, with a and b half done,
 * where a scaling is not safe to use. */
static int StepKernel(Sinkhorn *s, double tolerance, double *error)
{
  const int n = s->n;
  *error = 0;
  for (int j = 0; j < n; j++) s->sum[j] = 0;
  for (int i = 0; i < n; i++) {
    const double *row = s->kernel + (size_t)i * (size_t)n, of_row = weighted_sum(n, row, s->b);
    s->a[i] = Relaxed(s->a[i], 1 / (n * of_row), s->omega);
    if (!Safe(s->a[i])) return 0;
    *error += fabs(s->a[i] * of_row - 1.0 / n);
    add_scaled(n, s->a[i], row, s->sum);
  }
  for (int j = 0; j < n; j++) *error += fabs(s->b[j] * s->sum[j] - 1.0 / n);
  if (*error <= tolerance) return 1;
  for (int j = 0; j < n; j++) {
    s->b[j] = Relaxed(s->b[j], 1 / (n * s->sum[j]), s->omega);
    if (!Safe(s->b[j])) return 0;
  }
  return 1;
}

/* Omega after another step that left this error. */
static void ChooseOmega(Sinkhorn *s, double error)
{
  if (s->steps++ % LOOK) return;
  if (s->steps > 1) {
    const double omega = s->omega, lambda = pow(error / s->last, 1.0 / LOOK);
    if (omega > 1 && error > Grown * s->begun) {
      s->omega = 1;
    } else if (lambda < 1 && lambda > omega - 1) {
      const double root = (lambda + omega - 1) / omega, eta = root * root / lambda;
      s->omega = fmax(omega, fmin(2 / (1 + sqrt(1 - fmin(eta, 1))), MostOmega));
      if (s->omega > omega) s->begun = error;
    }
  }
  s->last = error;
}

static int IsWide(const Sinkhorn *s)
{
  for (int i = 0; i < s->n; i++)
    if (s->a[i] > 1e30 || s->a[i] < 1e-30 || s->b[i] > 1e30 || s->b[i] < 1e-30) return 1;
  return 0;
}

static void Absorb(Sinkhorn *s)
{
  for (int i = 0; i < s->n; i++) {
    s->f[i] += log(s->a[i]);
    s->g[i] += log(s->b[i]);
  }
}

static void Iterate(Sinkhorn *s, const RheoSinkhornConfig *config, int *iterations)
{
  int done = 0;
  Start(s);
  BuildKernel(s);
  for (*iterations = 0; !done && *iterations < config->most; ++*iterations) {
    double error;
    const int safe = StepKernel(s, config->tolerance, &error);
    done = safe && error <= config->tolerance;
    if (safe) ChooseOmega(s, error);
    if (done || (safe && !IsWide(s))) continue;
    if (safe)
      Absorb(s);
    else
      StepLog(s);
    BuildKernel(s);
  }
}

/* The plan, its rows made right, and the error that is left in the columns. */
static double Finish(Sinkhorn *s, double *plan)
{
  const int n = s->n;
  double error = 0;
  for (int j = 0; j < n; j++) s->sum[j] = 0;
  for (int i = 0; i < n; i++) {
    const double *row = s->kernel + (size_t)i * (size_t)n, of_row = weighted_sum(n, row, s->b);
    double *to = plan + (size_t)i * (size_t)n;
    for (int j = 0; j < n; j++) to[j] = row[j] * s->b[j] / (n * of_row);
    add_scaled(n, 1, to, s->sum);
  }
  for (int j = 0; j < n; j++) error += fabs(s->sum[j] - 1.0 / n);
  return error;
}

PetscErrorCode RheoSinkhorn(int64_t n, const double *cost, const RheoSinkhornConfig *config, double *plan,
                            int *iterations, double *error)
{
  Sinkhorn s = {.n = (int)n, .log_weight = plan};
  int finite = 1;

  PetscFunctionBeginUser;
  PetscCheck(n > 0 && n <= 46340, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "A plan of %lld rows",
             (long long)n);
  PetscCheck(config->regularisation > 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "The regularisation must be positive, got %g", config->regularisation);
  for (int64_t i = 0; i < n * n; i++) {
    s.log_weight[i] = -cost[i] / config->regularisation;
    finite &= isfinite(s.log_weight[i]) != 0;
  }
  if (!finite)
    RheoInputError(PETSC_COMM_SELF,
                   "a cost over the regularisation %g is not finite: no transport plan exists",
                   config->regularisation);
  PetscCall(PetscMalloc3(n * n, &s.kernel, n, &s.a, n, &s.b));
  PetscCall(PetscCalloc4(n, &s.f, n, &s.g, n, &s.sum, n, &s.most));
  Iterate(&s, config, iterations);
  *error = Finish(&s, plan);
  PetscCall(PetscFree3(s.kernel, s.a, s.b));
  PetscCall(PetscFree4(s.f, s.g, s.sum, s.most));
  PetscFunctionReturn(RHEO_OK);
}
