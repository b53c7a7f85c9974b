#include "../base/deck.h"
#include "../base/memory.h"
#include "program_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct RheoParams_ {
  size_t size;
  int n, capacity;
  RheoParamView **view; /* each allocated by itself, so that views handed out stay where they are */
};

PetscErrorCode RheoParamsCreate(RheoParams *params)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(params));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoParamsDestroy(RheoParams *params)
{
  PetscFunctionBeginUser;
  if (!*params) PetscFunctionReturn(RHEO_OK);
  for (int i = 0; i < (*params)->n; i++) {
    PetscCall(PetscFree((*params)->view[i]->init.values));
    PetscCall(PetscFree((*params)->view[i]));
  }
  PetscCall(PetscFree((*params)->view));
  PetscCall(PetscFree(*params));
  PetscFunctionReturn(RHEO_OK);
}

size_t RheoParamsSize(RheoParams params)
{
  return params->size;
}

int RheoParamsCount(RheoParams params)
{
  return params->n;
}

const RheoParamView *RheoParamsView(RheoParams params, int i)
{
  return params->view[i];
}

const RheoParamView *RheoParamsFind(RheoParams params, const char *name)
{
  for (int i = 0; i < params->n; i++)
    if (!strcmp(params->view[i]->name, name)) return params->view[i];
  return NULL;
}

int RheoParamsSame(RheoParams a, RheoParams b)
{
  int same = a->n == b->n && a->size == b->size;
  for (int i = 0; same && i < a->n; i++) {
    const RheoParamView *u = a->view[i], *v = b->view[i];
    same = !strcmp(u->name, v->name) && RheoShapeSame(u->shape, v->shape) && u->offset == v->offset;
  }
  return same;
}

PetscErrorCode RheoParamsAllocate(RheoParams params, float **values)
{
  const size_t bytes = (params->size ? params->size : 1) * sizeof(float);
  PetscFunctionBeginUser;
  *values = RheoAligned(bytes);
  PetscCheck(*values, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for %zu parameters", params->size);
  memset(*values, 0, bytes);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Naming a parameter ---- */

static PetscErrorCode append_view(RheoParams params, const char *name, RheoShape shape, RheoInit init)
{
  RheoParamView *view;
  double *values;
  size_t size = RheoShapeSize(shape);
  PetscFunctionBeginUser;
  if (params->n == params->capacity) {
    int more = params->capacity ? 2 * params->capacity : 32;
    PetscCall(PetscRealloc((size_t)more * sizeof *params->view, &params->view));
    params->capacity = more;
  }
  PetscCall(PetscNew(&view));
  *view = (RheoParamView){RheoIntern(name), shape, params->size, size, init};
  view->init.values = NULL;
  if (init.kind == RHEO_INIT_VALUES) {
    PetscCall(PetscMalloc1(size, &values));
    memcpy(values, init.values, size * sizeof *values);
    view->init.values = values;
  }
  params->view[params->n++] = view;
  params->size += size;
  PetscFunctionReturn(RHEO_OK);
}

const RheoParamView *RheoParamsAdd(RheoParams params, const char *name, RheoShape shape, RheoInit init,
                                   char message[256])
{
  char text[2][RHEO_SHAPE_TEXT];
  const RheoParamView *view = RheoParamsFind(params, name);
  if (view && RheoShapeSame(view->shape, shape)) return view;
  if (view)
    snprintf(message, 256, "'%s' is %s, not %s", name, RheoShapeText(view->shape, text[0]),
             RheoShapeText(shape, text[1]));
  else if (init.kind == RHEO_INIT_VALUES && !init.values)
    snprintf(message, 256, "'%s' starts from values, but there are none", name);
  else if (init.kind == RHEO_INIT_IDENTITY && (shape.n != 2 || shape.d[0] != shape.d[1]))
    snprintf(message, 256, "'%s' starts from the identity, but is %s", name, RheoShapeText(shape, text[0]));
  else if (append_view(params, name, shape, init))
    snprintf(message, 256, "'%s': out of memory", name);
  else
    return params->view[params->n - 1];
  return NULL;
}

PetscErrorCode RheoParamsFindValues(RheoParams params, const char *prefix, const char *name, int n,
                                    float *values, float **found)
{
  char full[320];
  PetscFunctionBeginUser;
  snprintf(full, sizeof full, "%s%s%s", prefix, prefix[0] ? "." : "", name);
  const RheoParamView *view = RheoParamsFind(params, full);
  PetscCheck(view, PETSC_COMM_SELF, PETSC_ERR_ORDER, "there is no parameter '%s': build a program first",
             full);
  PetscCheck(view->size == (size_t)n, PETSC_COMM_SELF, PETSC_ERR_ARG_SIZ, "'%s' has %zu elements, not %d",
             full, view->size, n);
  *found = values + view->offset;
  PetscFunctionReturn(RHEO_OK);
}
