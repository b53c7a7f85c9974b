/* Sinkhorn's iteration for uniform marginals (Cuturi 2013), safe at any regularisation.
 *
 * With L = -cost / epsilon the plan is exp(L_ij + f_i + g_j). A half-step in the log domain costs n^2 exponentials. Most
 * half-steps are therefore taken on scalings a, b of the kernel exp(L + f + g), with products only, and a, b are absorbed
 * into f, g before they leave a safe range (Schmitzer 2019; Peyre & Cuturi 2019, section 4.4). What underflowed in the
 * kernel is then below 1e-260 of a row's weight. Where a whole row or column underflowed, a step in the log domain follows. */
#include "kernels/sinkhorn.h"
#include "assignment.h"
#include <math.h>

typedef struct {
  int n;
  double *log_weight; /* L (n, n) */
  double *kernel;     /* (n, n) */
  double *f, *g, *a, *b, *sum, *most;
} Sinkhorn;

/* Rows, then columns, exactly; afterwards the columns are right. */
static void StepLog(Sinkhorn *s)
{
  const int n = s->n;
  for (int i = 0; i < n; i++) s->f[i] = -log(n) - log_sum_row(n, s->log_weight + (size_t)i * (size_t)n, s->g);
  log_sum_columns(n, s->log_weight, s->f, s->sum, s->most);
  for (int j = 0; j < n; j++) s->g[j] = -log(n) - s->sum[j];
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

/* One sweep over the kernel: *error (L1) of the row sums as they were, then rows and columns scaled. Returns 0, with a and b
 * half done, where a scaling is not safe to use. */
static int StepKernel(Sinkhorn *s, double *error)
{
  const int n = s->n;
  *error = 0;
  for (int j = 0; j < n; j++) s->sum[j] = 0;
  for (int i = 0; i < n; i++) {
    const double *row = s->kernel + (size_t)i * (size_t)n, of_row = weighted_sum(n, row, s->b);
    *error += fabs(s->a[i] * of_row - 1.0 / n);
    s->a[i] = 1 / (n * of_row);
    if (!Safe(s->a[i])) return 0;
    add_scaled(n, s->a[i], row, s->sum);
  }
  for (int j = 0; j < n; j++) {
    s->b[j] = 1 / (n * s->sum[j]);
    if (!Safe(s->b[j])) return 0;
  }
  return 1;
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

/* The rows made right, the plan written over L, and the error that is left in the columns. */
static double Finish(Sinkhorn *s)
{
  const int n = s->n;
  double error = 0;
  for (int j = 0; j < n; j++) s->sum[j] = 0;
  for (int i = 0; i < n; i++) {
    double *row = s->log_weight + (size_t)i * (size_t)n;
    s->f[i] = -log(n) - log_sum_row(n, row, s->g);
    weigh_row(n, row, s->f[i], s->g, s->most);
    add_scaled(n, 1, s->most, s->sum);
    for (int j = 0; j < n; j++) row[j] += s->f[i] + s->g[j];
  }
  for (int j = 0; j < n; j++) error += fabs(s->sum[j] - 1.0 / n);
  return error;
}

static void Iterate(Sinkhorn *s, const RheoSinkhornConfig *config, int *iterations)
{
  int done = 0;
  StepLog(s);
  BuildKernel(s);
  for (*iterations = 1; !done && *iterations < config->most; ++*iterations) {
    double error;
    const int safe = StepKernel(s, &error);
    done = safe && error <= config->tolerance;
    if (safe && !done && !IsWide(s)) continue;
    if (safe)
      Absorb(s);
    else
      StepLog(s);
    if (!done) BuildKernel(s);
  }
  if (!done) Absorb(s);
}

PetscErrorCode RheoSinkhorn(int64_t n, const double *cost, const RheoSinkhornConfig *config, double *log_plan,
                            int *iterations, double *error)
{
  Sinkhorn s = {.n = (int)n, .log_weight = log_plan};
  int finite = 1;

  PetscFunctionBeginUser;
  PetscCheck(n > 0 && n <= 46340, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "A plan of %lld rows",
             (long long)n);
  PetscCheck(config->regularisation > 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "The regularisation must be positive, got %g", config->regularisation);
  for (int64_t i = 0; i < n * n; i++) {
    log_plan[i] = -cost[i] / config->regularisation;
    finite &= isfinite(log_plan[i]) != 0;
  }
  if (!finite)
    RheoInputError(PETSC_COMM_SELF,
                   "a cost over the regularisation %g is not finite: no transport plan exists",
                   config->regularisation);
  PetscCall(PetscMalloc3(n * n, &s.kernel, n, &s.a, n, &s.b));
  PetscCall(PetscCalloc4(n, &s.f, n, &s.g, n, &s.sum, n, &s.most));
  Iterate(&s, config, iterations);
  *error = Finish(&s);
  PetscCall(PetscFree3(s.kernel, s.a, s.b));
  PetscCall(PetscFree4(s.f, s.g, s.sum, s.most));
  PetscFunctionReturn(RHEO_OK);
}
