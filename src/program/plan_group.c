/* Which element-wise operations run together, and in which order all steps run. */
#include "plan_impl.h"

int PlanIsElementWise(const RheoNode *node)
{
  switch (RheoOps[node->op].class) {
  case RHEO_CLASS_UNARY:
  case RHEO_CLASS_BINARY:
  case RHEO_CLASS_COMPARE:
  case RHEO_CLASS_SELECT:
    return 1;
  case RHEO_CLASS_FUSED:
    return node->fused->tile_single && node->fused->tile_double && node->n_arg <= 4;
  default:
    return 0;
  }
}

/* Why groups cannot wait for one another: a value's level is the number of times that the longest way to it changes
 * between element-wise operations and others. Members of a group have one level and one shape, and a node joins all of
 * its arguments of its own level and shape, or moves up a level. So between groups every way leads to a higher level
 * or, by broadcasting, to a larger shape. */
typedef struct {
  const PlanGraph *graph;
  int *level, *parent, *size; /* parent, size: disjoint sets */
} Grouping;

static int root_of(Grouping *g, int id)
{
  while (g->parent[id] != id) id = g->parent[id] = g->parent[g->parent[id]];
  return id;
}

static void join(Grouping *g, int a, int b)
{
  a = root_of(g, a);
  b = root_of(g, b);
  if (a == b) return;
  g->parent[b > a ? b : a] = a < b ? a : b;
  g->size[a < b ? a : b] += g->size[b > a ? b : a];
}

static int same_kind(const Grouping *g, int a, int b)
{
  return PlanIsElementWise(&g->graph->node[a]) && g->level[a] == g->level[b] &&
         RheoShapeSame(g->graph->node[a].shape, g->graph->node[b].shape);
}

static int lowest_level(const Grouping *g, int id)
{
  const RheoNode *node = &g->graph->node[id];
  const int element_wise = PlanIsElementWise(node);
  int level = 0;
  for (int k = 0; k < node->n_arg; k++) {
    const RheoNode *from = &g->graph->node[node->arg[k]];
    const int changes = RheoOps[from->op].class != RHEO_CLASS_LEAF && PlanIsElementWise(from) != element_wise;
    const int least = g->level[node->arg[k]] + changes;
    if (least > level) level = least;
  }
  return level;
}

/* Joins the node with its arguments, if the group stays small enough. */
static int join_arguments(Grouping *g, int id)
{
  const RheoNode *node = &g->graph->node[id];
  int root[4], n = 0, size = 1;
  for (int k = 0; k < node->n_arg; k++) {
    if (!same_kind(g, node->arg[k], id)) continue;
    int known = 0;
    const int r = root_of(g, node->arg[k]);
    for (int j = 0; j < n; j++) known |= root[j] == r;
    if (known) continue;
    root[n++] = r;
    size += g->size[r];
  }
  if (size > PLAN_MAX_INSTRUCTIONS) return 0;
  for (int k = 0; k < n; k++) join(g, root[k], id);
  return 1;
}

/* Groups that read the same tensor read it once. reader[a]: a member of the last group seen to read a. */
static void join_readers(Grouping *g, int *reader)
{
  for (int id = 0; id < g->graph->n; id++) reader[id] = -1;
  for (int id = 0; id < g->graph->n; id++) {
    const RheoNode *node = &g->graph->node[id];
    if (!PlanIsElementWise(node)) continue;
    for (int k = 0; k < node->n_arg; k++) {
      const int from = node->arg[k], other = reader[from];
      if (!RheoShapeSame(g->graph->node[from].shape, node->shape)) continue;
      if (other >= 0 && same_kind(g, other, id) &&
          g->size[root_of(g, other)] + g->size[root_of(g, id)] <= PLAN_MAX_INSTRUCTIONS)
        join(g, other, id);
      reader[from] = id;
    }
  }
}

static void find_groups(Grouping *g, int without, int *work)
{
  for (int id = 0; id < g->graph->n; id++) {
    g->parent[id] = id;
    g->size[id] = 1;
    g->level[id] = without ? id : lowest_level(g, id);
    if (PlanIsElementWise(&g->graph->node[id]) && !join_arguments(g, id)) g->level[id]++;
  }
  join_readers(g, work);
}

/* ---- Units in an order in which they can run ---- */

static void heap_push(int *heap, int *n, int unit)
{
  int at = (*n)++;
  for (; at && heap[(at - 1) / 2] > unit; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
  heap[at] = unit;
}

static int heap_pop(int *heap, int *n)
{
  const int top = heap[0], last = heap[--*n];
  int at = 0;
  for (int child; (child = 2 * at + 1) < *n; at = child) {
    if (child + 1 < *n && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= last) break;
    heap[at] = heap[child];
  }
  heap[at] = last;
  return top;
}

/* Of the units that are ready always the one that comes first in the program; units are named by their first node. */
static PetscErrorCode order_units(Grouping *g, int *n_unit, PlanUnit *unit)
{
  const PlanGraph *graph = g->graph;
  int *waits, *heap, *member, n_heap = 0; /* member: the nodes of a unit as a list */
  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(graph->n, &waits));
  PetscCall(PetscMalloc1(graph->n, &heap));
  PetscCall(PetscMalloc1(graph->n, &member));
  int *begin, *reader, *at; /* readers of a unit, as ranges of one array */
  PetscCall(PetscCalloc1(graph->n + 1, &begin));
  for (int id = 0; id < graph->n; id++)
    for (int k = 0; k < graph->node[id].n_arg; k++) {
      const int from = root_of(g, graph->node[id].arg[k]), to = root_of(g, id);
      if (from == to) continue;
      begin[from + 1]++;
      waits[to]++;
    }
  for (int id = 0; id < graph->n; id++) begin[id + 1] += begin[id];
  PetscCall(PetscMalloc1(begin[graph->n], &reader));
  PetscCall(PetscMalloc1(graph->n, &at));
  PetscCall(PetscArraycpy(at, begin, graph->n));
  for (int id = 0; id < graph->n; id++)
    for (int k = 0; k < graph->node[id].n_arg; k++) {
      const int from = root_of(g, graph->node[id].arg[k]), to = root_of(g, id);
      if (from != to) reader[at[from]++] = to;
    }
  for (int id = graph->n - 1; id >= 0; id--) member[id] = -1;
  for (int id = graph->n - 1; id >= 0; id--) { /* lists in ascending order */
    const int root = root_of(g, id);
    if (root == id) continue;
    member[id] = member[root];
    member[root] = id;
  }
  for (int id = 0; id < graph->n; id++)
    if (root_of(g, id) == id && !waits[id]) heap_push(heap, &n_heap, id);
  *n_unit = 0;
  while (n_heap) {
    const int id = heap_pop(heap, &n_heap);
    PlanUnit *u = &unit[(*n_unit)++];
    PetscCall(PetscMalloc1(g->size[id], &u->node));
    u->n = 0;
    for (int m = id; m >= 0; m = member[m]) u->node[u->n++] = m;
    for (int k = begin[id]; k < begin[id + 1]; k++)
      if (!--waits[reader[k]]) heap_push(heap, &n_heap, reader[k]);
  }
  PetscCall(PetscFree(waits));
  PetscCall(PetscFree(heap));
  PetscCall(PetscFree(member));
  PetscCall(PetscFree(begin));
  PetscCall(PetscFree(reader));
  PetscCall(PetscFree(at));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanGroups(const PlanGraph *graph, int without, int *n_unit, PlanUnit **unit)
{
  Grouping g = {.graph = graph};
  int *work, n = 0;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(graph->n, unit));
  PetscCall(PetscMalloc1(graph->n, &g.level));
  PetscCall(PetscMalloc1(graph->n, &g.parent));
  PetscCall(PetscMalloc1(graph->n, &g.size));
  PetscCall(PetscMalloc1(graph->n, &work));
  find_groups(&g, without & PLAN_WITHOUT_GROUPS, work);
  PetscCall(order_units(&g, n_unit, *unit));
  for (int u = 0; u < *n_unit; u++) n += (*unit)[u].n;
  PetscCheck(n == graph->n, PETSC_COMM_SELF, PETSC_ERR_PLIB, "groups wait for one another");
  PetscCall(PetscFree(g.level));
  PetscCall(PetscFree(g.parent));
  PetscCall(PetscFree(g.size));
  PetscCall(PetscFree(work));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanUnitsDestroy(int n_unit, PlanUnit **unit)
{
  PetscFunctionBeginUser;
  for (int u = 0; u < n_unit; u++) PetscCall(PetscFree((*unit)[u].node));
  PetscCall(PetscFree(*unit));
  PetscFunctionReturn(RHEO_OK);
}
