/* What a deck says about a flow. */
#include "flow_impl.h"
#include <stdio.h>
#include <string.h>

/* "|normal|uniform...": the rule after its first character. */
static const char base_rule[] =
#define RHEO_BASE_TYPE(symbol, name) "|" #name
#include "base_types.def"
#undef RHEO_BASE_TYPE
    ;

#define FIELD(name) offsetof(RheoFlowConfig, name)
const RheoKey RheoFlowKeys[] = {
    {"base", RHEO_KEY_CHOICE, FIELD(base), "normal", base_rule + 1, "base distribution"},
    {"stack", RHEO_KEY_STRINGS, FIELD(stack), "[rqs_coupling, lu]", NULL,
     "transforms, in order from data to base"},
    {"repeat", RHEO_KEY_INT, FIELD(repeat), "5", "[1, 1000]", "times the stack is repeated"},
    {"standardize", RHEO_KEY_BOOL, FIELD(standardize), "yes", NULL,
     "take mean and standard deviation of the training data out of features and context"},
    {"seed", RHEO_KEY_COUNT, FIELD(seed), "1", "[0, inf)", "of random permutations"},
    {0}};

static PetscErrorCode reject_type(RheoDeck deck, const char *key, const char *name)
{
  const char *known[64];
  char list[1024] = "";
  int n = 0;
  PetscFunctionBeginUser;
  for (int i = 0; RheoTransformTypes[i] && n < 64; i++) {
    if (RheoTransformTypes[i] == &RheoTransformType_Bounded) continue;
    known[n++] = RheoTransformTypes[i]->name;
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", n > 1 ? ", " : "",
             RheoTransformTypes[i]->name);
  }
  const char *nearest = RheoNearest(name, n, known);
  PetscCall(RheoDeckReject(deck, key, "there is no transform '%s'%s%s%s (known: %s)", name,
                           nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
                           list));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode check_stack(RheoDeck deck, const char *key, const RheoStrings *stack)
{
  PetscFunctionBeginUser;
  if (stack->n == 0) PetscCall(RheoDeckReject(deck, key, "needs at least one transform"));
  for (int i = 0; i < stack->n; i++) {
    int known = 0;
    for (int k = 0; RheoTransformTypes[k]; k++)
      known |= strcmp(stack->v[i], RheoTransformTypes[k]->name) == 0;
    if (!known) PetscCall(reject_type(deck, key, stack->v[i]));
    if (strcmp(stack->v[i], RheoTransformType_Bounded.name) == 0)
      PetscCall(
          RheoDeckReject(deck, key, "'bounded' stands in front by itself where the features have bounds"));
  }
  PetscFunctionReturn(RHEO_OK);
}

static const char *join(const char *prefix, const char *name)
{
  char path[256];
  snprintf(path, sizeof path, "%s.%s", prefix, name);
  return RheoIntern(path);
}

PetscErrorCode RheoFlowSetFromDeck(RheoFlow flow, RheoDeck deck, const char *prefix)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, prefix, RheoFlowKeys, &flow->config));
  PetscCall(check_stack(deck, join(prefix, "stack"), &flow->config.stack));
  PetscCall(RheoDeckRead(deck, join(prefix, "net"), RheoNetKeys, &flow->net));
  for (int i = 0; RheoTransformTypes[i]; i++)
    if (RheoTransformTypes[i]->keys)
      PetscCall(RheoDeckRead(deck, join(prefix, RheoTransformTypes[i]->name), RheoTransformTypes[i]->keys,
                             flow->type_config[i]));
  flow->configured = PETSC_TRUE;
  flow->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowSetDefaults(RheoFlow flow)
{
  RheoDeck deck;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoFlowSetFromDeck(flow, deck, "flow"));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowGetSections(int *n, const RheoSection **sections)
{
  static RheoSection all[64];
  PetscFunctionBeginUser;
  *n = 0;
  all[(*n)++] = (RheoSection){"flow", RheoFlowKeys, "the normalizing flow"};
  all[(*n)++] = (RheoSection){"flow.net", RheoNetKeys, "the networks inside the transforms"};
  for (int i = 0; RheoTransformTypes[i]; i++)
    if (RheoTransformTypes[i]->keys)
      all[(*n)++] = (RheoSection){join("flow", RheoTransformTypes[i]->name), RheoTransformTypes[i]->keys,
                                  RheoTransformTypes[i]->summary};
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}
