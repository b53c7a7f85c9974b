/* Rules for matrix products with a tensor whose rows are all alike, as the directions are in which the divergence of a
 * velocity is taken: one row of it does. */
#include "plan_impl.h"
#include <string.h>

static int literal_rows_alike(const RheoNode *node)
{
  const size_t width = (size_t)node->shape.d[1];
  for (int i = 1; i < node->shape.d[0]; i++)
    if (memcmp(node->data, node->data + (size_t)i * width, width * sizeof *node->data)) return 0;
  return 1;
}

/* row: one row of a tensor of several that are alike; -1 where they are not. */
static PetscErrorCode row_of(PlanGraph *graph, int id, int *row)
{
  const RheoNode *node = &graph->node[id];
  RheoNode one = {.op = node->op, .shape = node->shape};

  PetscFunctionBeginUser;
  *row = -1;
  if (node->shape.n != 2 || node->shape.d[0] == 1) PetscFunctionReturn(RHEO_OK);
  one.shape.d[0] = 1;
  one.data = node->data;
  one.r[0] = node->r[0];
  if (node->op == RHEO_OP_BROADCAST && RheoShapeSame(graph->node[node->arg[0]].shape, one.shape))
    *row = node->arg[0];
  else if (node->op == RHEO_OP_FILL || (node->op == RHEO_OP_LITERAL && literal_rows_alike(node)))
    PetscCall(PlanGraphAdd(graph, &one, row));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode make(PlanGraph *graph, RheoOp op, RheoShape shape, int i0, int i1, int n_arg, int *arg,
                           int *id)
{
  const RheoNode node = {.op = op, .shape = shape, .n_arg = n_arg, .arg = arg, .i = {i0, i1}};

  PetscFunctionBeginUser;
  PetscCall(PlanSimplifyNode(graph, &node, id));
  PetscFunctionReturn(RHEO_OK);
}

/* 1 r^T W = 1 (r^T W), and (1 r^T)^T Y = r (1^T Y), for a column 1 of ones. */
PetscErrorCode PlanSimplifyMatmul(PlanGraph *graph, const RheoNode *node, int *id)
{
  const int y = node->arg[1], y_transposed = node->i[1];
  RheoShape shape = node->shape;
  int row, product, sum;

  PetscFunctionBeginUser;
  if (shape.n != 2) PetscFunctionReturn(RHEO_OK);
  PetscCall(row_of(graph, node->arg[0], &row));
  if (row < 0) PetscFunctionReturn(RHEO_OK);
  shape.d[0] = 1;
  if (!node->i[0]) {
    PetscCall(make(graph, RHEO_OP_MATMUL, shape, 0, y_transposed, 2, (int[]){row, y}, &product));
    PetscCall(make(graph, RHEO_OP_BROADCAST, node->shape, 0, 0, 1, &product, id));
  } else if (!y_transposed) {
    PetscCall(make(graph, RHEO_OP_SUM, shape, 1, 0, 1, (int[]){y}, &sum));
    PetscCall(make(graph, RHEO_OP_MATMUL, node->shape, 1, 0, 2, (int[]){row, sum}, id));
  }
  PetscFunctionReturn(RHEO_OK);
}
