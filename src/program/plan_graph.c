/* The graph a plan is made from: nodes of its own, so that the program may go; equal nodes are kept once. */
#include "plan_impl.h"
#include <string.h>

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
  const unsigned char *byte = data;
  for (size_t i = 0; i < n; i++) h = (h ^ byte[i]) * 1099511628211u;
  return h;
}

static uint64_t node_hash(const RheoNode *a)
{
  uint64_t h = 14695981039346656037u;
  h = mix(h, &a->op, sizeof a->op);
  h = mix(h, a->shape.d, (size_t)a->shape.n * sizeof *a->shape.d);
  h = mix(h, a->arg, (size_t)a->n_arg * sizeof *a->arg);
  h = mix(h, a->i, sizeof a->i);
  h = mix(h, a->r, sizeof a->r);
  h = mix(h, &a->offset, sizeof a->offset);
  if (a->data) h = mix(h, a->data, RheoShapeSize(a->shape) * sizeof *a->data);
  return h ^ (h >> 29);
}

static int node_same(const RheoNode *a, const RheoNode *b)
{
  if (a->op != b->op || !RheoShapeSame(a->shape, b->shape) || a->n_arg != b->n_arg ||
      a->offset != b->offset || a->fused != b->fused || !a->data != !b->data)
    return 0;
  if (memcmp(a->i, b->i, sizeof a->i) || memcmp(a->r, b->r, sizeof a->r)) return 0;
  if (a->n_arg && memcmp(a->arg, b->arg, (size_t)a->n_arg * sizeof *a->arg)) return 0;
  return !a->data || !memcmp(a->data, b->data, RheoShapeSize(a->shape) * sizeof *a->data);
}

static PetscErrorCode graph_grow(PlanGraph *graph)
{
  PetscFunctionBeginUser;
  if (graph->n == graph->capacity) {
    graph->capacity = graph->capacity ? 2 * graph->capacity : 256;
    PetscCall(PetscRealloc((size_t)graph->capacity * sizeof *graph->node, &graph->node));
  }
  if (2 * (graph->n + 1) > graph->n_slot) {
    PetscCall(PetscFree(graph->slot));
    graph->n_slot = graph->n_slot ? 2 * graph->n_slot : 1024;
    PetscCall(PetscMalloc1(graph->n_slot, &graph->slot));
    for (int i = 0; i < graph->n_slot; i++) graph->slot[i] = -1;
    for (int id = 0; id < graph->n; id++) {
      size_t at = node_hash(&graph->node[id]) % (size_t)graph->n_slot;
      while (graph->slot[at] >= 0) at = (at + 1) % (size_t)graph->n_slot;
      graph->slot[at] = id;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanGraphAdd(PlanGraph *graph, const RheoNode *node, int *id)
{
  PetscFunctionBeginUser;
  PetscCall(graph_grow(graph));
  size_t at = node_hash(node) % (size_t)graph->n_slot;
  while (graph->slot[at] >= 0) {
    if (node_same(&graph->node[graph->slot[at]], node)) {
      *id = graph->slot[at];
      PetscFunctionReturn(RHEO_OK);
    }
    at = (at + 1) % (size_t)graph->n_slot;
  }
  RheoNode *copy = &graph->node[graph->n];
  *copy = *node;
  copy->arg = NULL;
  copy->data = NULL;
  if (node->n_arg) {
    PetscCall(PetscMalloc1(node->n_arg, &copy->arg));
    PetscCall(PetscArraycpy(copy->arg, node->arg, node->n_arg));
  }
  if (node->data) {
    const size_t size = RheoShapeSize(node->shape);
    PetscCall(PetscMalloc1(size, &copy->data));
    PetscCall(PetscArraycpy(copy->data, node->data, size));
  }
  graph->slot[at] = *id = graph->n++;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanGraphDestroy(PlanGraph *graph)
{
  PetscFunctionBeginUser;
  for (int id = 0; id < graph->n; id++) {
    PetscCall(PetscFree(graph->node[id].arg));
    PetscCall(PetscFree(graph->node[id].data));
  }
  PetscCall(PetscFree(graph->node));
  PetscCall(PetscFree(graph->slot));
  *graph = (PlanGraph){0};
  PetscFunctionReturn(RHEO_OK);
}
