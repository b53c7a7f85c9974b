#include "options.h"
#include "check.h"
#include "cnf/cnf.h"
#include "cnf/coupling.h"
#include "flow/flow.h"
#include "train/train.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a key that is no choice; of one that is, what goes with it. */
static const struct {
  const char *key, *value, *with;
  int same;
} given[] = {
    {"train.batch", "48", "", 0},
    {"train.shards", "12", "", 0},
    {"train.window", "64", "", 0},
    {"train.chunk", "8", "train.window 64", 0},
    {"train.epochs", "2", "", 0},
    {"train.steps", "1", "", 0},
    {"train.lr", "1e-3", "", 0},
    {"train.schedule", "plateau", "train.epochs 4 train.plateau 1 train.tolerance 1e6", 0},
    {"train.warmup", "2", "", 0},
    {"train.lr_final", "0.3", "train.schedule cosine", 0},
    {"train.plateau", "1", "train.schedule plateau train.epochs 4 train.tolerance 1e6", 0},
    {"train.plateau_factor", "0.3",
     "train.schedule plateau train.epochs 4 train.tolerance 1e6 train.plateau 1", 0},
    {"train.beta1", "0.8", "", 0},
    {"train.beta2", "0.9", "", 0},
    {"train.epsilon", "1e-3", "", 0},
    {"train.decay", "0.1", "", 0},
    {"train.clip", "0.1", "", 0},
    {"train.ema", "0.8", "", 0},
    {"train.validation", "0.3", "", 0},
    {"train.patience", "1", "train.epochs 4 train.tolerance 1e6", 0},
    {"train.tolerance", "1e6", "train.epochs 4 train.patience 1", 0},

    {"flow.base", "uniform", "flow.stack rqs_coupling flow.rqs_coupling.bound 1", 0},
    {"flow.repeat", "2", "", 0},
    {"flow.seed", "2", "flow.stack permutation,maf", 0},
    {"flow.affine_coupling.limit", "1", "", 0},
    {"flow.maf.limit", "1", "", 0},
    {"flow.iaf.limit", "1", "", 0},
    {"flow.rqs_coupling.bins", "4", "", 0},
    {"flow.rqs_coupling.bound", "2", "", 0},
    {"flow.rqs_autoregressive.bins", "4", "", 0},
    {"flow.rqs_autoregressive.bound", "2", "", 0},

    {"cnf.frequencies", "4", "", 0},
    {"cnf.path", "sb", "cnf.sigma 0.5", 0},
    {"cnf.path", "lipman", "cnf.sigma 0.1", 0},
    {"cnf.path", "ve", "cnf.sigma 2", 0},
    {"cnf.sigma", "0.1", "", 0},
    {"cnf.coupling", "weighted", "cnf.source data", 0},
    {"cnf.coupling_batch", "64", "cnf.coupling exact", 0},
    {"cnf.times_power", "0.5", "cnf.times power", 0},
    {"cnf.times_mean", "0.5", "cnf.times logit_normal", 0},
    {"cnf.times_sd", "2", "cnf.times logit_normal", 0},
    {"cnf.dropout", "0.3", "", 0},
    {"cnf.guidance", "2", "cnf.dropout 0.3", 1},
    {"cnf.contrast", "0.2", "objective contrastive_fm", 0},

    {"cnf.likelihood.scheme", "rk4", "", 0},
    {"cnf.likelihood.steps", "3", "", 0},
    {"cnf.likelihood.rtol", "1e-2", "cnf.likelihood.steps 0", 0},
    {"cnf.likelihood.atol", "1e-2", "cnf.likelihood.steps 0", 0},
    {"cnf.likelihood.most", "500", "cnf.likelihood.steps 0 cnf.likelihood.rtol 1e-2 cnf.likelihood.atol 1e-2",
     1},
    {"cnf.likelihood.probes", "2", "cnf.likelihood.divergence normal", 0},
    {"cnf.likelihood.checkpoints", "1", "cnf.likelihood.steps 4", 1},
    {"cnf.likelihood.kinetic", "0.1", "", 0},
    {"cnf.likelihood.jacobian", "0.1", "", 0},
    {"cnf.likelihood.l1", "0.1", "", 0},
    {"cnf.likelihood.jacobian_diagonal", "0.1", "", 0},
    {"cnf.likelihood.jacobian_off_diagonal", "0.1", "", 0},
    {"cnf.likelihood.hjb", "0.1", "cnf.velocity potential", 0},
    {"cnf.likelihood.acceleration", "0.1", "", 0},
    {"cnf.likelihood.end_time_min", "0.5", "cnf.likelihood.end_time learned", 0},
    {"cnf.likelihood.end_time_max", "3", "cnf.likelihood.end_time learned", 0},
    {"cnf.likelihood.end_time_weight", "1", "cnf.likelihood.end_time learned", 0},
    {"cnf.likelihood.end_time_every", "3", "cnf.likelihood.end_time learned", 0},

    {"cnf.sinkhorn.regularisation", "0.5", "", 0},
    {"cnf.sinkhorn.tolerance", "0.5", "cnf.sinkhorn.regularisation 0.05", 0},
    {"cnf.sinkhorn.most", "1000", "", 1},
    /* of three classes, a third of all pairs are of one class */
    {"cnf.c2ot.condition", "continuous", "cnf.c2ot.ratio 0.6", 0},
    {"cnf.c2ot.ratio", "0.6", "cnf.c2ot.condition continuous", 0},
    {"cnf.weighted.cost", "norm", "cnf.source data", 0},
    {"cnf.weighted.epsilon", "1", "cnf.source data", 0},

    {"net.context", "concat", "", 1}, /* where it has none */
    {"net.context", "film", "", 1},
    {"flow.net.fourier_scale", "1", "flow.net.fourier 4", 0},
    {"cnf.net.fourier_scale", "1", "cnf.net.fourier 4", 0},
    {"net.fourier_scale", "1", "net.fourier 4", 0},
    {"flow.net.expansion", "2", "flow.net.type ffn", 0},
    {"cnf.net.expansion", "2", "cnf.net.type ffn", 0},
    {"net.expansion", "2", "net.type ffn", 0},
    /* Of any network, flow.net and cnf.net and net */
    {"hidden", "12", "", 0},
    {"layers", "3", "", 0},
    {"dropout", "0.2", "", 0},
    {"fourier", "4", "", 0},

};
enum { GIVEN = sizeof given / sizeof *given, MOST = 400 };

static Option all[MOST];
static int n_all;

static int IsNet(const char *section)
{
  const size_t n = strlen(section);
  return n >= 3 && !strcmp(section + n - 3, "net");
}

/* The line for a key, and for one value of it where value is not NULL; -1: there is none. */
static int Find(const char *section, const char *key, const char *value)
{
  char whole[128];
  snprintf(whole, sizeof whole, "%s.%s", section, key);
  for (int i = 0; i < GIVEN; i++) {
    if (value && strcmp(given[i].value, value)) continue;
    if (!strcmp(given[i].key, whole) || (IsNet(section) && !strcmp(given[i].key, key))) return i;
  }
  return -1;
}

/* What lets the keys of a section matter at all. */
static void Around(const char *section, char *with, size_t size)
{
  const char *name = strchr(section, '.');
  *with = '\0';
  if (!name || IsNet(section)) return;
  if (!strcmp(section, "cnf.likelihood"))
    snprintf(with, size, "%s.steps 2 ", section);
  else if (!strncmp(section, "cnf.", 4))
    snprintf(with, size, "cnf.coupling %s ", name + 1);
  else
    snprintf(with, size, "flow.stack %s,maf ", name + 1);
}

static void Add(const char *section, const char *key, const char *value)
{
  const int i = Find(section, key, value);
  char whole[128], around[128];
  Option *o = &all[n_all++];
  assert_true(n_all < MOST);
  snprintf(whole, sizeof whole, "%s.%s", section, key);
  *o = (Option){.key = RheoIntern(whole), .value = RheoIntern(value), .objective = "nll", .model = "flow"};
  if (!strncmp(section, "cnf", 3)) {
    o->model = "cnf";
    o->objective = strcmp(section, "cnf.likelihood") ? "cfm" : "cnf_nll";
  } else if (!strcmp(section, "net")) {
    o->model = "net";
    o->objective = "mse";
  }
  Around(section, around, sizeof around);
  snprintf(o->with, sizeof o->with, "%s%s", around, i >= 0 && given[i].with ? given[i].with : "");
  o->same = i >= 0 && given[i].same;
}

static void AddKey(const char *section, const RheoKey *key)
{
  if (key->type == RHEO_KEY_CHOICE) {
    char rule[256], *rest = rule;
    snprintf(rule, sizeof rule, "%s", key->rule);
    for (const char *value; (value = strsep(&rest, "|"));)
      if (strcmp(value, key->fallback)) Add(section, key->name, value);
  } else if (key->type == RHEO_KEY_BOOL) {
    Add(section, key->name, strcmp(key->fallback, "yes") ? "yes" : "no");
  } else if (!strcmp(section, "flow") && !strcmp(key->name, "stack")) {
    for (int i = 0; RheoTransformTypes[i]; i++) Add(section, key->name, RheoTransformTypes[i]->name);
  } else {
    const int i = Find(section, key->name, NULL);
    if (i < 0) fail_msg("no case for the key %s.%s", section, key->name);
    if (!strcmp(given[i].value, key->fallback))
      fail_msg("the case for the key %s.%s is its default", section, key->name);
    Add(section, key->name, given[i].value);
  }
}

static void AddSections(int n, const RheoSection *section)
{
  for (int i = 0; i < n; i++) {
    if (!strcmp(section[i].prefix, "cnf.solve")) continue; /* no part of training */
    for (const RheoKey *key = section[i].keys; key->name; key++) AddKey(section[i].prefix, key);
  }
}

const Option *Options(int *n)
{
  const RheoSection others[] = {{"train", RheoTrainKeys, NULL}, {"net", RheoNetKeys, NULL}};
  const RheoSection *sections;
  int n_sections;
  if (!n_all) {
    AddSections(2, others);
    OK(RheoFlowGetSections(&n_sections, &sections));
    AddSections(n_sections, sections);
    OK(RheoCnfGetSections(&n_sections, &sections));
    AddSections(n_sections, sections);
  }
  *n = n_all;
  return all;
}

void OptionSet(RheoDeck deck, const Option *option, int without, const char **objective, int *bounded)
{
  char with[256], stack[128], *rest = with;
  snprintf(with, sizeof with, "%s", option->with);
  for (const char *key; (key = strsep(&rest, " "));) {
    const char *value = *key ? strsep(&rest, " ") : NULL;
    if (!value) continue;
    if (!strcmp(key, "objective"))
      *objective = RheoIntern(value);
    else
      OK(RheoDeckSet(deck, key, value));
  }
  if (without) return;
  *bounded = !strcmp(option->key, "flow.stack") && !strcmp(option->value, "bounded");
  if (*bounded) return;
  snprintf(stack, sizeof stack, "%s,maf", option->value);
  OK(RheoDeckSet(deck, option->key, strcmp(option->key, "flow.stack") ? option->value : stack));
}

/* ---- What is missing ---- */

/* The default counts: most cases have it. */
static int Has(const char *section, const RheoKey *keys, const char *key, const char *value)
{
  char whole[128];
  int n;
  const Option *option = Options(&n);
  snprintf(whole, sizeof whole, "%s.%s", section, key);
  for (int i = 0; i < n; i++)
    if (!strcmp(option[i].key, whole) && !strcmp(option[i].value, value)) return 1;
  for (; keys->name; keys++)
    if (!strcmp(keys->name, key) && keys->type == RHEO_KEY_CHOICE && !strcmp(keys->fallback, value)) return 1;
  return 0;
}

#define CHECK_TABLE(types, section, keys, key)                                                               \
  for (int i = 0; (types)[i]; i++)                                                                           \
    if (!Has(section, keys, key, (types)[i]->name))                                                          \
  fail_msg("no case for %s.%s: %s", section, key, (types)[i]->name)

void OptionsMissing(void)
{
  const RheoSection *flow;
  int n;
  OK(RheoFlowGetSections(&n, &flow));
  CHECK_TABLE(RheoNetTypes, "flow.net", RheoNetKeys, "type");
  CHECK_TABLE(RheoNetTypes, "cnf.net", RheoNetKeys, "type");
  CHECK_TABLE(RheoNetTypes, "net", RheoNetKeys, "type");
  CHECK_TABLE(RheoTransformTypes, "flow", flow[0].keys, "stack");
  CHECK_TABLE(RheoBaseTypes, "flow", flow[0].keys, "base");
  CHECK_TABLE(RheoVelocityTypes, "cnf", RheoCnfKeys, "velocity");
  CHECK_TABLE(RheoEmbeddingTypes, "cnf", RheoCnfKeys, "time");
  CHECK_TABLE(RheoPathTypes, "cnf", RheoCnfKeys, "path");
  CHECK_TABLE(RheoCouplingTypes, "cnf", RheoCnfKeys, "coupling");
  for (int i = 0; i < GIVEN; i++) { /* a key that was renamed, or a choice that is gone */
    int used = strchr(given[i].key, '.') == NULL;
    for (int k = 0; k < n_all; k++)
      used |= !strcmp(all[k].key, given[i].key) && !strcmp(all[k].value, given[i].value);
    if (!used) fail_msg("there is no %s: %s", given[i].key, given[i].value);
  }
}
