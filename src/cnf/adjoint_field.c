/* The augmented right-hand side as a program, and its vector-Jacobian product as a second one.
 *
 * Integrals enter no rate, so that their costates are constant and only z is pulled back. Everything is per row but the gradient of the parameters, which sums over a block. */
#include "../base/memory.h"
#include "adjoint_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCK = 256 }; /* rows: an arena that stays in cache */

enum { MOST_INPUTS = 7 }; /* t, z, context, noise, dv, ddiv, dpen, in this order; some may be absent */

static RheoVal Rows(RheoProgram program, const char *name, int width)
{
  return width > 0 ? rx_rows(program, name, width) : RHEO_NONE;
}

static RheoAdjointRates Build(RheoProgram program, RheoCnf cnf, RheoParams params, const char *scope_name,
                              const RheoAdjointConfig *config, const RheoAdjointField *field, int n_integrals)
{
  const RheoScope scope = rx_enter(RheoScopeRoot(program, params, 0), "%s", scope_name);
  const int block = RheoProgramRows(program), probes = config->solve.probes;
  RheoAdjointRates r = {.div = RHEO_NONE, .pen = RHEO_NONE};
  r.t = rx_broadcast(rx_input(program, "t", RX_SHAPE(1, 1)), RX_SHAPE(block, 1));
  r.z = Rows(program, "z", field->d);
  r.context = Rows(program, "context", field->c);
  r.noise = Rows(program, "noise", field->noise);
  r.v = rx_cnf_velocity(cnf, scope, r.t, r.z, r.context, RHEO_NONE);
  if (!n_integrals) return r;
  if (field->log_det) r.div = rx_adjoint_divergence(&r, probes);
  if (field->penalty) r.pen = rx_adjoint_penalty(cnf, scope, config, &r);
  return r;
}

static void Keep(RheoVal *out, int *n, RheoVal value)
{
  if (rx_exists(value)) out[(*n)++] = value;
}

static PetscErrorCode Compile(const RheoAdjointField *field, RheoProgram program, int n, const RheoVal *out,
                              RheoPlan *plan, RheoWork *work)
{
  PetscFunctionBeginUser;
  PetscCall(RheoPlanCreate(program, field->single ? RHEO_SINGLE : RHEO_DOUBLE, n, out, plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(*plan, work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CompileRate(RheoAdjointField *field, RheoCnf cnf, RheoParams params,
                                  const char *scope_name, const RheoAdjointConfig *config, int n_integrals,
                                  RheoPlan *plan, RheoWork *work)
{
  RheoProgram program;
  RheoVal out[3];
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(field->block, &program));
  const RheoAdjointRates r = Build(program, cnf, params, scope_name, config, field, n_integrals);
  Keep(out, &n, r.v);
  Keep(out, &n, r.div);
  Keep(out, &n, r.pen);
  PetscCall(Compile(field, program, n, out, plan, work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CompilePull(RheoAdjointField *field, RheoCnf cnf, RheoParams params,
                                  const char *scope_name, const RheoAdjointConfig *config)
{
  RheoVal out[5], sum, x[2], dx[2];
  RheoProgram program;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(field->block, &program));
  const RheoAdjointRates r = Build(program, cnf, params, scope_name, config, field, field->n_integrals);
  RheoVal dv = Rows(program, "dv", field->d), ddiv = Rows(program, "ddiv", field->log_det),
          dpen = Rows(program, "dpen", field->penalty);
  sum = rx_sum_all(rx_mul(r.v, dv));
  if (field->log_det) sum = rx_add(sum, rx_sum_all(rx_mul(r.div, rx_reshape(ddiv, RX_SHAPE(-1)))));
  if (field->penalty) sum = rx_add(sum, rx_sum_all(rx_mul(r.pen, rx_reshape(dpen, RX_SHAPE(-1)))));
  x[0] = r.z;
  x[1] = r.context;
  rx_vjp(sum, RHEO_NONE, field->c ? 2 : 1, x, dx);
  Keep(out, &n, dx[0]);
  if (!field->fixed) Keep(out, &n, rx_grad_params(sum, params));
  if (field->c) Keep(out, &n, dx[1]);
  Keep(out, &n, r.div);
  Keep(out, &n, r.pen);
  PetscCall(Compile(field, program, n, out, &field->pull, &field->pull_work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Allocate(const RheoAdjointField *field, size_t n, void *memory)
{
  const size_t size = (n + 1) * (field->single ? sizeof(float) : sizeof(double));
  void *place = RheoAligned(size);

  PetscFunctionBeginUser;
  PetscCheck(place, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for %zu bytes", size);
  memset(place, 0, size);
  memcpy(memory, &place, sizeof place);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointFieldCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int rows,
                                      const RheoAdjointConfig *config, RheoAdjointField *field)
{
  PetscFunctionBeginUser;
  memset(field, 0, sizeof *field);
  field->n_blocks = (rows + MOST_BLOCK - 1) / MOST_BLOCK;
  field->block = (rows + field->n_blocks - 1) / field->n_blocks;
  field->rows = field->block * field->n_blocks;
  field->d = RheoCnfFeatures(cnf);
  field->c = RheoCnfContext(cnf);
  field->log_det = config->log_det;
  field->fixed = config->fixed;
  field->penalty = RheoAdjointHasPenalty(config);
  field->single = (PetscBool)(config->solve.precision == RHEO_SOLVE_SINGLE);
  if (config->solve.divergence != RHEO_DIVERGENCE_EXACT && (config->log_det || config->jacobian > 0))
    field->noise = config->solve.probes * field->d;
  field->n_integrals = field->log_det + field->penalty;
  field->n_z = (size_t)field->rows * (size_t)field->d;
  PetscCall(CompileRate(field, cnf, params, scope_name, config, 0, &field->rate, &field->rate_work));
  PetscCall(CompileRate(field, cnf, params, scope_name, config, field->n_integrals, &field->full,
                        &field->full_work));
  PetscCall(CompilePull(field, cnf, params, scope_name, config));
  field->n_params = RheoParamsSize(params);
  const size_t block = (size_t)field->block, d = (size_t)field->d, rows_ = (size_t)field->rows;
  PetscCall(Allocate(field, field->n_params, &field->params));
  PetscCall(Allocate(field, field->n_params, &field->dparams));
  PetscCall(Allocate(field, rows_ * (size_t)field->c, &field->context));
  PetscCall(Allocate(field, rows_ * (size_t)field->noise, &field->directions));
  PetscCall(Allocate(field, block * (size_t)field->c, &field->dc));
  PetscCall(Allocate(field, block * d, &field->z));
  PetscCall(Allocate(field, block * d, &field->v));
  PetscCall(Allocate(field, block, &field->div));
  PetscCall(Allocate(field, block, &field->pen));
  PetscCall(Allocate(field, block * d, &field->dv));
  PetscCall(Allocate(field, block, &field->ddiv));
  PetscCall(Allocate(field, block, &field->dpen));
  PetscCall(Allocate(field, block * d, &field->dz));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointFieldDestroy(RheoAdjointField *field)
{
  PetscFunctionBeginUser;
  PetscCall(RheoWorkDestroy(&field->rate_work));
  PetscCall(RheoWorkDestroy(&field->full_work));
  PetscCall(RheoWorkDestroy(&field->pull_work));
  PetscCall(RheoPlanDestroy(&field->rate));
  PetscCall(RheoPlanDestroy(&field->full));
  PetscCall(RheoPlanDestroy(&field->pull));
  void *const memory[] = {field->params, field->context, field->directions, field->z,    field->v,
                          field->div,    field->pen,     field->dv,         field->ddiv, field->dpen,
                          field->dz,     field->dc,      field->dparams};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) free(memory[i]);
  memset(field, 0, sizeof *field);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Between the solver's doubles and the plans' precision ---- */

/* to (n) takes scale times from (n). */
static void Load(const RheoAdjointField *field, size_t n, double scale, const double *from, void *to)
{
  if (field->single) {
    float *x = to;
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * from[i]);
  } else {
    double *x = to;
    for (size_t i = 0; i < n; i++) x[i] = scale * from[i];
  }
}

static void Store(const RheoAdjointField *field, size_t n, double scale, const void *from, double *to)
{
  if (field->single) {
    const float *x = from;
    for (size_t i = 0; i < n; i++) to[i] = scale * (double)x[i];
  } else {
    const double *x = from;
    for (size_t i = 0; i < n; i++) to[i] = scale * x[i];
  }
}

static void StoreAdd(const RheoAdjointField *field, size_t n, double scale, const void *from, double *to)
{
  if (field->single) {
    const float *x = from;
    for (size_t i = 0; i < n; i++) to[i] += scale * (double)x[i];
  } else {
    const double *x = from;
    for (size_t i = 0; i < n; i++) to[i] += scale * x[i];
  }
}

static void *Place(const RheoAdjointField *field, void *memory, size_t i)
{
  return (char *)memory + i * (field->single ? sizeof(float) : sizeof(double));
}

static void LoadRows(const RheoAdjointField *field, int64_t n, size_t width, const double *from, void *to)
{
  for (int64_t i = 0; width && i < field->rows; i++) {
    const size_t row = (size_t)(i < n ? i : n - 1);
    Load(field, width, 1, from + row * width, Place(field, to, (size_t)i * width));
  }
}

void RheoAdjointFieldSet(RheoAdjointField *field, const float *values, int64_t n, const double *context,
                         const double *noise)
{
  if (field->single) {
    memcpy(field->params, values, field->n_params * sizeof *values);
  } else {
    double *p = field->params;
    for (size_t i = 0; i < field->n_params; i++) p[i] = (double)values[i];
  }
  LoadRows(field, n, (size_t)field->c, context, field->context);
  LoadRows(field, n, (size_t)field->noise, noise, field->directions);
}

typedef struct {
  float single;
  double exact;
} Time;

/* The inputs that both plans share, for block b; returns their number. */
static int SetInputs(RheoAdjointField *field, int b, double t, const double *z, Time *time, const void **in)
{
  const size_t first = (size_t)b * (size_t)field->block, d = (size_t)field->d;
  int n = 0;
  *time = (Time){(float)t, t};
  Load(field, (size_t)field->block * d, 1, z + first * d, field->z);
  in[n++] = field->single ? (const void *)&time->single : (const void *)&time->exact;
  in[n++] = field->z;
  if (field->c) in[n++] = Place(field, field->context, first * (size_t)field->c);
  if (field->noise) in[n++] = Place(field, field->directions, first * (size_t)field->noise);
  return n;
}

/* The rates of the integrals of a block, from where the plan left them. */
static void StoreIntegrals(const RheoAdjointField *field, double sign, size_t first, double *integrals)
{
  const size_t block = (size_t)field->block;
  double *const pen = integrals + (field->log_det ? (size_t)field->rows : 0);
  if (field->log_det) Store(field, block, sign, field->div, integrals + first);
  if (field->penalty) Store(field, block, 1, field->pen, pen + first);
}

void RheoAdjointFieldRate(RheoAdjointField *field, double sign, double t, const double *z, double *rate,
                          double *integrals)
{
  const size_t block = (size_t)field->block, d = (size_t)field->d;
  for (int b = 0; b < field->n_blocks; b++) {
    const size_t first = (size_t)b * block;
    const void *in[MOST_INPUTS];
    void *out[3];
    int n = 0;
    Time time;
    SetInputs(field, b, t, z, &time, in);
    out[n++] = field->v;
    if (field->log_det) out[n++] = field->div;
    if (field->penalty) out[n++] = field->pen;
    if (integrals)
      RheoPlanRun(field->full, field->full_work, field->params, in, out);
    else
      RheoPlanRun(field->rate, field->rate_work, field->params, in, out);
    Store(field, block * d, sign, field->v, rate + first * d);
    if (integrals) StoreIntegrals(field, sign, first, integrals);
  }
}

void RheoAdjointFieldPull(RheoAdjointField *field, double sign, double t, const double *z, const double *dz,
                          const double *dintegrals, double *pulled, double weight, double *dvalues,
                          double *dcontext, double *integrals)
{
  const size_t block = (size_t)field->block, d = (size_t)field->d, c = (size_t)field->c;
  const double *const dpen = dintegrals + (field->log_det ? (size_t)field->rows : 0);
  for (int b = 0; b < field->n_blocks; b++) {
    const size_t first = (size_t)b * block;
    const void *in[MOST_INPUTS];
    void *out[5];
    Time time;
    int n = SetInputs(field, b, t, z, &time, in), m = 0;
    Load(field, block * d, sign, dz + first * d, field->dv);
    in[n++] = field->dv;
    if (field->log_det) Load(field, block, sign, dintegrals + first, field->ddiv);
    if (field->log_det) in[n++] = field->ddiv;
    if (field->penalty) Load(field, block, 1, dpen + first, field->dpen);
    if (field->penalty) in[n++] = field->dpen;
    out[m++] = field->dz;
    if (!field->fixed) out[m++] = field->dparams;
    if (c) out[m++] = field->dc;
    if (field->log_det) out[m++] = field->div;
    if (field->penalty) out[m++] = field->pen;
    RheoPlanRun(field->pull, field->pull_work, field->params, in, out);
    Store(field, block * d, 1, field->dz, pulled + first * d);
    if (dvalues) StoreAdd(field, field->n_params, weight, field->dparams, dvalues);
    if (dcontext && c) StoreAdd(field, block * c, weight, field->dc, dcontext + first * c);
    StoreIntegrals(field, sign, first, integrals);
  }
}
