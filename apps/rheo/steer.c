/* Samples that are steered to what they are to fulfil: the section `dflow` of rheo sample. */
#include "verb.h"
#include <string.h>

PetscErrorCode SteerRead(Run *run, RheoSteerConfig *config, PetscBool *steers)
{
  PetscBool has, says_what;

  PetscFunctionBeginUser;
  PetscCall(RheoSearchCheck(run->deck, PETSC_COMM_WORLD)); /* the maximum of a posterior is a search, too */
  PetscCall(RheoDeckRead(run->deck, "dflow", RheoDFlowKeys, config));
  PetscCall(RheoDeckHas(run->deck, "dflow", &has));
  PetscCall(RheoDeckHas(run->deck, "dflow.fix", &says_what));
  if (says_what && !config->fix.n) has = PETSC_FALSE; /* asked for nothing: -dflow_fix "" */
  *steers = (PetscBool)(has && !strcmp(run->verb->name, "sample"));
  if (has && !*steers)
    RheoLog(run->comm, RHEO_LOG_WARNING,
            "these samples are not steered: dflow is for rheo sample, of the model");
  PetscFunctionReturn(RHEO_OK);
}

void PrintSteer(RheoYaml *yaml, const RheoSteerReport *report)
{
  RheoYamlOpen(yaml, "dflow");
  RheoYamlReal(yaml, "misfit_before", report->before);
  RheoYamlReal(yaml, "misfit_after", report->after);
  RheoYamlReal(yaml, "iterations", (double)report->iterations / (double)report->n);
  RheoYamlReal(yaml, "solves", (double)report->n_solves / (double)report->n);
  RheoYamlInt(yaml, "unconverged", report->n_unconverged);
  RheoYamlInt(yaml, "failed", report->n_failed);
  RheoYamlClose(yaml);
}
