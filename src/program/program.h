/* The tensor program: networks, flows and losses append operations to it; derivatives are a transformation of it.
 *
 * A value is a small handle. Expression functions (rx_...) never fail and return no code: the first mistake (shapes,
 * programs mixed) is kept with the file and line of the caller and reported by RheoPlanCreate; everything built on top
 * of it is harmless. Tensors are dense, row-major, at most four dimensions, with shapes fixed when built and no axis
 * empty; the first dimension is usually the rows of a batch. Building is not collective and not thread-safe for one program.
 */
#pragma once
#include "params.h"

typedef struct RheoProgram_ *RheoProgram;

typedef struct {
  RheoProgram program;
  int id; /* negative: no value */
} RheoVal;

#define RHEO_NONE ((RheoVal){NULL, -1})
static inline int rx_exists(RheoVal x)
{
  return x.id >= 0;
}

/* rows: the block of rows B that row-wise inputs have. */
PetscErrorCode RheoProgramCreate(int rows, RheoProgram *program);
PetscErrorCode RheoProgramDestroy(RheoProgram *program);
int RheoProgramRows(RheoProgram program);

/* The first mistake as "matmul: (8, 3) x (4, 5): inner sizes differ, at mlp.c:41"; NULL where there is none. */
const char *RheoProgramError(RheoProgram program);

/* Notes a mistake of a caller's own ("spline: needs at least 2 bins"), with the caller's file and line. */
RheoVal rx_fail(RheoProgram program, const char *format, ...) __attribute__((format(printf, 2, 3)));

RheoShape rx_shape(RheoVal x);
int rx_dim(RheoVal x, int axis); /* negative axes count from the end; 0 for no value */
#define RX_SHAPE(...) ((RheoShape){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})
#define RX_SCALAR ((RheoShape){0, {0}})

/* ---- Leaves; the name of an input is used once; all parameters of a program come from one layout ---- */
typedef enum {
  RHEO_INPUT_DATA,          /* the caller fills it */
  RHEO_INPUT_NOISE_UNIFORM, /* filled from streams, RheoInputFillNoise */
  RHEO_INPUT_NOISE_NORMAL,
  /* Uniform, one number a row (width 1), by the row's place in the batch of n: place i lies in [i/n, (i + 1)/n), and places
   * i and n/2 + i are u and 1 - u. The strata of one batch are the same for every input: a loss wants one such input. */
  RHEO_INPUT_NOISE_STRATIFIED,
  RHEO_INPUT_NOISE_ANTITHETIC,
} RheoInputKind;

RheoVal rx_input(RheoProgram p, const char *name, RheoShape shape);
/* A row-wise input (B, width); its row r belongs to sample r. */
RheoVal rx_rows(RheoProgram p, const char *name, int width);
/* Row-wise noise (B, width), one draw per sample and step: dropout masks, Hutchinson vectors, flow-matching times. A name
 * that is asked for again gives the same draw, so that a network applied twice drops the same units. */
RheoVal rx_noise(RheoProgram p, RheoInputKind kind, const char *name, int width);
RheoVal rx_param(RheoProgram p, RheoParams params, const char *name, RheoShape shape, RheoInit init);
RheoVal rx_literal(RheoProgram p, RheoShape shape, const double *values); /* copied */
RheoVal rx_fill(RheoProgram p, RheoShape shape, double value);
RheoVal rx_const(RheoProgram p, double value); /* a scalar */

/* Inputs in the order they were made. */
int RheoProgramInputCount(RheoProgram p);
int RheoProgramInputFind(RheoProgram p, const char *name); /* -1 where absent */
const char *RheoProgramInputName(RheoProgram p, int i);
RheoInputKind RheoProgramInputKind(RheoProgram p, int i);
RheoShape RheoProgramInputShape(RheoProgram p, int i);
int RheoProgramInputIsRows(RheoProgram p, int i);

/* ---- Element-wise; shapes broadcast as in NumPy ---- */
RheoVal rx_neg(RheoVal x);
RheoVal rx_abs(RheoVal x);
RheoVal rx_sign(RheoVal x);
RheoVal rx_floor(RheoVal x);
RheoVal rx_square(RheoVal x);
RheoVal rx_sqrt(RheoVal x);
RheoVal rx_recip(RheoVal x);
RheoVal rx_exp(RheoVal x);
RheoVal rx_expm1(RheoVal x);
RheoVal rx_log(RheoVal x);
RheoVal rx_log1p(RheoVal x);
RheoVal rx_tanh(RheoVal x);
RheoVal rx_sigmoid(RheoVal x);
RheoVal rx_softplus(RheoVal x);
RheoVal rx_sin(RheoVal x);
RheoVal rx_cos(RheoVal x);
RheoVal rx_erf(RheoVal x);
RheoVal rx_add(RheoVal x, RheoVal y);
RheoVal rx_sub(RheoVal x, RheoVal y);
RheoVal rx_mul(RheoVal x, RheoVal y);
RheoVal rx_div(RheoVal x, RheoVal y);
RheoVal rx_max(RheoVal x, RheoVal y);
RheoVal rx_min(RheoVal x, RheoVal y);
RheoVal rx_less(RheoVal x, RheoVal y);
RheoVal rx_less_equal(RheoVal x, RheoVal y);
RheoVal rx_equal(RheoVal x, RheoVal y);
RheoVal rx_select(RheoVal condition, RheoVal y, RheoVal z);
RheoVal rx_scale(RheoVal x, double a);  /* a x */
RheoVal rx_offset(RheoVal x, double a); /* x + a */
RheoVal rx_clamp(RheoVal x, double lower, double upper);
RheoVal rx_stop_gradient(RheoVal x);

/* ---- Contractions, reductions, scans ---- */
RheoVal rx_matmul(RheoVal x,
                  RheoVal y); /* (..., m, k) (..., k, n): equal leading sizes, or y of two dimensions */
RheoVal rx_matmul_t(RheoVal x, int transpose_x, RheoVal y, int transpose_y);
RheoVal rx_sum(RheoVal x, int axis); /* the axis goes away */
RheoVal rx_sum_keep(RheoVal x, int axis);
RheoVal rx_sum_all(RheoVal x);
RheoVal rx_mean_all(RheoVal x);
RheoVal rx_amax(RheoVal x, int axis);
RheoVal rx_amax_keep(RheoVal x, int axis);
RheoVal rx_cumsum(RheoVal x, int axis, int reverse);
RheoVal rx_log_sum_exp(RheoVal x, int axis);

/* ---- Shapes; negative axes count from the end ----
 * An index is a tensor (n) of whole numbers; where it runs outside the axis (or is not a number) the nearest place (the
 * first) is taken. */
RheoVal rx_broadcast(RheoVal x, RheoShape shape);
RheoVal rx_reshape(RheoVal x, RheoShape shape); /* one size may be -1 */
RheoVal rx_permute(RheoVal x, int n, const int *axes);
RheoVal rx_transpose(RheoVal x); /* of the last two axes */
RheoVal rx_slice(RheoVal x, int axis, int begin, int end);
RheoVal rx_pad(RheoVal x, int axis, int before, int after);
RheoVal rx_concat(int axis, int n, const RheoVal *x);
RheoVal rx_concat2(int axis, RheoVal x, RheoVal y); /* a value that does not exist is skipped */
RheoVal rx_gather(RheoVal x, RheoVal index, int axis);
RheoVal rx_gather_fixed(RheoVal x, int n, const int *index, int axis); /* with a literal index */
RheoVal rx_scatter_add(RheoVal x, RheoVal index, int axis, int size);

/* ---- Derivatives; results are values of the same program, so they can be differentiated again ---- */
/* Vector-Jacobian products: dx[i] = (dy . d y / d x[i]); dy has y's shape, or does not exist for a scalar y (1). An x
 * that y does not depend on gives zeros. */
RheoVal rx_vjp(RheoVal y, RheoVal dy, int n, const RheoVal *x,
               RheoVal *dx);           /* y, or no value after a mistake */
RheoVal rx_grad(RheoVal y, RheoVal x); /* of a scalar */
RheoVal rx_jvp(RheoVal y, RheoVal x,
               RheoVal v); /* (d y / d x) v, of y's shape, by transposing the VJP twice */
/* The gradient of a scalar with respect to all of a layout, as one vector (P) in the layout's order; zero for frozen
 * parameters and for those the program has not named. */
RheoVal rx_grad_params(RheoVal y, RheoParams params);

/* ---- Scopes: where the parameters of a network go and whether it is being trained ---- */
typedef struct {
  RheoProgram program;
  RheoParams params;
  const char *name; /* interned; "flow.3" */
  int training;     /* dropout is active */
} RheoScope;

RheoScope RheoScopeRoot(RheoProgram program, RheoParams params, int training);
RheoScope rx_enter(RheoScope scope, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* name + ".x" */
RheoVal rx_scope_param(RheoScope scope, const char *name, RheoShape shape, RheoInit init);

/* Keeps the file and line of the caller when an expression fails. */
RheoVal rx_here(const char *file, int line, RheoVal x);
#define RX_HERE(x) rx_here(__FILE__, __LINE__, x)
#ifndef RHEO_NO_HERE /* the builders themselves: a mistake is where the caller is */
#include "program_here.h"
#endif
