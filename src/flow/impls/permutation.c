/* A fixed permutation of the features: random, from the flow's seed and the place in the stack, or the
 * reverse order. */
#include "../../base/random.h"
#include "../flow_impl.h"

enum { KIND_RANDOM, KIND_REVERSE };

typedef struct {
  int kind;
} Config;

static const RheoKey keys[] = {
    {"kind", RHEO_KEY_CHOICE, offsetof(Config, kind), "random", "random|reverse",
     "random, fixed by flow.seed; autoregressive layers reverse their order by themselves"},
    {0}};

static int is_identity(int n, const int *order)
{
  for (int d = 0; d < n; d++)
    if (order[d] != d) return 0;
  return 1;
}

/* Fisher and Yates; the identity would be a wasted layer and is drawn again. */
static void draw(uint64_t seed, int n, int *order)
{
  RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_INIT, 1, 0);
  do {
    for (int d = 0; d < n; d++) order[d] = d;
    for (int d = n - 1; d > 0; d--) {
      const int other = (int)RheoStreamInteger(&stream, (uint64_t)d + 1), held = order[d];
      order[d] = order[other];
      order[other] = held;
    }
  } while (n > 1 && is_identity(n, order));
}

static void permute(const RheoTransform *t, RheoScope scope, RheoVal x, int invert, RheoVal *y,
                    RheoVal *log_det)
{
  const int n = t->n_features;
  int order[RHEO_MAX_FEATURES], back[RHEO_MAX_FEATURES];
  if (((const Config *)t->config)->kind == KIND_RANDOM)
    draw(t->seed, n, order);
  else
    for (int d = 0; d < n; d++) order[d] = n - 1 - d;
  for (int d = 0; d < n; d++) back[order[d]] = d;
  *y = n > 1 ? rx_gather_fixed(x, n, invert ? back : order, 1) : x;
  *log_det = rx_fill(scope.program, RX_SHAPE(RheoProgramRows(scope.program)), 0);
}

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  (void)context;
  permute(t, scope, x, 0, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  (void)context;
  permute(t, scope, y, 1, x, log_det);
}

const RheoTransformType RheoTransformType_Permutation = {
    .name = "permutation",
    .summary = "the features in another, fixed order",
    .reference = "-",
    .keys = keys,
    .size = sizeof(Config),
    .forward = forward,
    .inverse = inverse,
};
