/* rheo info of a model: the network in words, how its training went. */
#include "verb.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Why training ended; the file does not say so, but it follows. */
static PetscErrorCode Ended(Run *run, const RheoHistory *h, char *text, size_t size)
{
  RheoTrainConfig config;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "train", RheoTrainKeys, &config));
  const int64_t stale = h->n - 1 - RheoHistoryBest(h);
  if (h->n >= config.epochs)
    snprintf(text, size, "all %lld epochs done", (long long)config.epochs);
  else if (config.steps > 0 && h->n && (int64_t)h->step[h->n - 1] >= config.steps)
    snprintf(text, size, "all %lld steps done", (long long)config.steps);
  else if (config.patience > 0 && stale + 1 >= config.patience)
    snprintf(text, size, "no more improvement in %lld epochs", (long long)config.patience);
  else
    snprintf(text, size, "early: a loss was not finite, or was hardly any more");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PrintTrainingOfFile(Run *run, RheoYaml *yaml, const RheoHistory *h)
{
  const int64_t best = RheoHistoryBest(h), last = h->n - 1;
  char ended[96];

  PetscFunctionBeginUser;
  if (!h->n) PetscFunctionReturn(RHEO_OK);
  PetscCall(Ended(run, h, ended, sizeof ended));
  RheoYamlOpen(yaml, "training");
  RheoYamlText(yaml, "ended", ended);
  RheoYamlInt(yaml, "best_epoch", (long long)h->epoch[best]);
  RheoYamlReal(yaml, "train_loss", h->train_loss[best]);
  RheoYamlReal(yaml, "validation_loss", h->validation_loss[best]);
  RheoYamlReal(yaml, "first_validation_loss", h->validation_loss[0]);
  RheoYamlReal(yaml, "last_train_loss", h->train_loss[last]);
  RheoYamlReal(yaml, "last_validation_loss", h->validation_loss[last]);
  RheoYamlReal(yaml, "last_lr", h->lr[last]);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

/* Lines of a view but for the first, whose sizes are printed apart. */
static void PutView(RheoYaml *yaml, char *text)
{
  const char *line = text ? strchr(text, '\n') : NULL;
  if (line && line[1]) RheoYamlBlock(yaml, "network", line + 1);
  free(text);
}

/* The stack of transforms, or the velocity field, from the deck alone: neither a simulator nor data need be there. The sizes are
 * of no importance for what is shown. */
static PetscErrorCode PrintNetwork(Run *run, RheoYaml *yaml, PetscBool continuous, int d, int c)
{
  char *text = NULL;
  size_t size;
  FILE *file = open_memstream(&text, &size);
  RheoFlow flow;
  RheoCnf cnf;

  PetscFunctionBeginUser;
  PetscCheck(file, run->comm, PETSC_ERR_MEM, "No memory for a view");
  if (continuous) {
    PetscCall(RheoCnfCreate(&cnf));
    PetscCall(RheoCnfSetFromDeck(cnf, run->deck, "cnf"));
    PetscCall(RheoCnfSetSizes(cnf, d, c));
    PetscCall(RheoCnfSetUp(cnf));
    PetscCall(RheoCnfView(cnf, file));
    PetscCall(RheoCnfDestroy(&cnf));
  } else {
    PetscCall(RheoFlowCreate(&flow));
    PetscCall(RheoFlowSetFromDeck(flow, run->deck, "flow"));
    PetscCall(RheoFlowSetSizes(flow, d, c));
    PetscCall(RheoFlowSetUp(flow));
    PetscCall(RheoFlowView(flow, file));
    PetscCall(RheoFlowDestroy(&flow));
  }
  fclose(file);
  PutView(yaml, text);
  PetscFunctionReturn(RHEO_OK);
}

/* What is inferred, of how much data. */
static PetscErrorCode PrintPosteriorOf(Run *run, RheoYaml *yaml, const double *sizes)
{
  char names[1024] = "";
  RheoTruncateConfig truncate;
  RheoPrior prior;
  size_t n = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoPriorCreate(&prior));
  PetscCall(RheoPriorSetFromDeck(prior, run->deck, "prior"));
  for (int k = 0; k < RheoPriorSize(prior) && n < sizeof names; k++) {
    const char *unit = RheoPriorUnit(prior, k);
    n += (size_t)snprintf(names + n, sizeof names - n, "%s%s%s%s%s", k ? ", " : "", RheoPriorName(prior, k),
                          *unit ? " (" : "", unit, *unit ? ")" : "");
  }
  PetscCall(RheoPriorDestroy(&prior));
  RheoYamlText(yaml, "infers", names);
  if (sizes) RheoYamlInt(yaml, "from_data_columns", (long long)sizes[1]);
  PetscCall(RheoDeckRead(run->deck, "truncate", RheoTruncateKeys, &truncate));
  if (truncate.observation.n)
    RheoYamlReals(yaml, "prior_cut_for", truncate.observation.n, truncate.observation.v);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ModelNext(Run *run, RheoYaml *yaml, PetscBool transport)
{
  const char *series = SeriesPath(run->target);
  PetscBool there;

  PetscFunctionBeginUser;
  PetscCall(PathIs(run->comm, series, R_OK, &there));
  RheoYamlOpen(yaml, "next");
  if (transport)
    InfoNext(yaml, "draw_samples", "sample %s -sample_n 10k", run->target);
  else
    InfoNext(yaml, "draw_samples", "sample %s -observation_file OBSERVED.csv -output DIR", run->target);
  InfoNext(yaml, "ask_for_densities", "logprob %s -points_file POINTS.csv", run->target);
  InfoNext(yaml, transport ? "compare_with_data" : "check_calibration", "check %s", run->target);
  InfoNext(yaml, "draw_its_training", "plot %s", run->target);
  if (there) InfoNext(yaml, "how_training_went", "info %s", series);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode InfoModel(Run *run, RheoYaml *yaml)
{
  const double *sizes = NULL;
  RheoModelFile file;
  PetscBool transport, flow;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(run->comm, run->target, &file));
  PetscCall(RheoTransportIsDeck(run->deck, &transport));
  PetscCall(RheoDeckHas(run->deck, "flow", &flow));
  for (int i = 0; i < file.n_extras; i++)
    if (!strcmp(file.extra[i].name, "sizes") && file.extra[i].n == 2) sizes = file.extra[i].value;
  PetscCall(InfoHead(run, yaml, run->kind,
                     transport ? "a trained model of a data set: it draws samples like its rows"
                               : "a trained model of the posterior: it draws parameters, given data"));
  RheoYamlText(yaml, "finished", "yes: a model is written when its training has ended");
  RheoYamlText(yaml, "estimator", file.estimator);
  if (!transport && file.deck) PetscCall(PrintPosteriorOf(run, yaml, sizes));
  if (file.deck && (transport || sizes))
    PetscCall(PrintNetwork(run, yaml, (PetscBool)(transport ? !flow : !strcmp(file.estimator, "fmpe")),
                           sizes ? (int)sizes[0] : 2, sizes ? (int)sizes[1] : 0));
  RheoYamlInt(yaml, "parameters", (long long)RheoParamsSize(file.params));
  RheoYamlInt(yaml, "steps", file.step);
  RheoYamlInt(yaml, "epochs", file.history.n);
  if (file.history.n)
    RheoYamlReal(yaml, "best_validation_loss", file.history.validation_loss[RheoHistoryBest(&file.history)]);
  PetscCall(PrintTrainingOfFile(run, yaml, &file.history));
  InfoChecksum(yaml, RheoModelChecksum(&file));
  PetscCall(ModelNext(run, yaml, transport));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}
