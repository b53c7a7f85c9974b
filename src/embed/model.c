/* A trained model in a host: loaded once, asked by many threads. */
#include "../infer/posterior.h"
#include "embed_impl.h"

struct rheo_model {
  RheoPosterior posterior;
  int d, c;
  PetscBool has_one;    /* can be asked without PETSc */
  PetscOptions options; /* those of its deck, for it alone */
};

struct rheo_workspace {
  const rheo_model *model;
  RheoPosteriorOne one; /* NULL where the model has none */
};

/* Every rank reads for itself, so that the model needs no communicator that the host might free, or whose errors might end it. */
static PetscErrorCode Load(const char *path, rheo_model *m)
{
  PetscFunctionBeginUser;
  RheoInputCheck(path, PETSC_COMM_SELF, "no path of a model");
  PetscCall(PetscOptionsCreate(&m->options));
  PetscCall(PetscOptionsPush(m->options));
  const PetscErrorCode code = RheoPosteriorLoad(PETSC_COMM_SELF, path, &m->posterior);
  PetscCall(PetscOptionsPop());
  PetscCall(code);
  m->d = RheoPosteriorSize(m->posterior);
  m->c = RheoPosteriorDataSize(m->posterior);
  m->has_one = RheoPosteriorHasOne(m->posterior);
  PetscFunctionReturn(RHEO_OK);
}

/* What all ranks hear where one has failed. */
static PetscErrorCode Agree(int comm, PetscErrorCode mine, const char *path)
{
  const MPI_Comm host = MPI_Comm_f2c(comm);
  PetscBool good;
  MPI_Comm copy;

  PetscFunctionBeginUser;
  RheoInputCheck(host != MPI_COMM_NULL, PETSC_COMM_SELF, "no communicator: MPI_COMM_NULL");
  PetscCallMPI(MPI_Comm_dup(host, &copy));
  PetscCallMPI(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN));
  PetscCall(RheoAgree(copy, (PetscBool)!mine, &good));
  PetscCallMPI(MPI_Comm_free(&copy));
  if (mine) PetscFunctionReturn(mine);
  RheoInputCheck(good, PETSC_COMM_SELF,
                 "%s: cannot be read on every rank; is it on a file system that all nodes share?", path);
  PetscFunctionReturn(RHEO_OK);
}

int rheo_model_load(int comm, const char *path, rheo_model **model)
{
  *model = NULL;
  if (EmbedReady()) return RHEO_INPUT;
  RheoGuestEnter();
  PetscErrorCode code = PetscNew(model);
  if (!code) code = Load(path, *model);
  if (!code) code = RheoInternCheck(); /* before the others take it for loaded */
  code = Agree(comm, code, path);
  const int result = EmbedLeave(code);
  if (result) (void)rheo_model_destroy(model);
  return result;
}

int rheo_model_destroy(rheo_model **model)
{
  if (EmbedReady()) return RHEO_INPUT;
  if (!*model) return RHEO_DONE;
  RheoGuestEnter();
  PetscErrorCode code = RheoPosteriorDestroy(&(*model)->posterior);
  if ((*model)->options && !code) code = PetscOptionsDestroy(&(*model)->options);
  (void)PetscFree(*model);
  if (code) return EmbedLeave(code);
  RheoGuestLeave(); /* the message of what went wrong before stays */
  return RHEO_DONE;
}

int rheo_model_parameters(const rheo_model *model)
{
  return model->d;
}
int rheo_model_data(const rheo_model *model)
{
  return model->c;
}
const char *rheo_model_parameter_name(const rheo_model *model, int k)
{
  return k >= 0 && k < model->d ? RheoPriorName(RheoPosteriorPrior(model->posterior), k) : NULL;
}

int rheo_workspace_create(const rheo_model *model, rheo_workspace **workspace)
{
  *workspace = NULL;
  if (EmbedReady()) return RHEO_INPUT;
  RheoGuestEnter();
  PetscErrorCode code = PetscNew(workspace);
  if (!code) {
    (*workspace)->model = model;
    if (model->has_one) code = RheoPosteriorOneCreate(model->posterior, &(*workspace)->one);
  }
  const int result = EmbedLeave(code);
  if (result) (void)rheo_workspace_destroy(workspace);
  return result;
}

int rheo_workspace_destroy(rheo_workspace **workspace)
{
  if (EmbedReady()) return RHEO_INPUT;
  if (!*workspace) return RHEO_DONE;
  RheoGuestEnter();
  const PetscErrorCode code = RheoPosteriorOneDestroy(&(*workspace)->one);
  (void)PetscFree(*workspace);
  return EmbedLeave(code);
}

static int NotFinite(const double *x, int place)
{
  return EmbedFail(RHEO_INPUT, "value %d of the observation, %g, is not finite after data.transform", place,
                   x[place - 1]);
}

static int Check(const rheo_model *model, const rheo_workspace *workspace, int n)
{
  if (workspace->model != model) return EmbedFail(RHEO_INPUT, "the workspace belongs to another model");
  if (n < 0) return EmbedFail(RHEO_INPUT, "%d samples cannot be drawn", n);
  return RHEO_DONE;
}

int rheo_sample(const rheo_model *model, rheo_workspace *workspace, const double *x, int64_t seed,
                int64_t first, int n, double *theta, double *log_prob)
{
  int wrong = 0;
  fenv_t host;

  if (Check(model, workspace, n)) return RHEO_INPUT;
  if (seed < 0 || first < 0) return EmbedFail(RHEO_INPUT, "seed and number of a sample must be 0 or more");
  if (!workspace->one) {
    RheoGuestEnter();
    PetscOptionsPush(model->options);
    const PetscErrorCode code =
        RheoPosteriorSample(model->posterior, x, (uint64_t)seed, (uint64_t)first, n, theta, log_prob);
    PetscOptionsPop();
    return EmbedLeave(code);
  }
  RheoGuestEnterQuick(&host);
  for (int i = 0; i < n && !wrong; i++)
    wrong = RheoPosteriorOneSample(workspace->one, x, (uint64_t)seed, (uint64_t)first + (uint64_t)i,
                                   theta + (size_t)i * (size_t)model->d, log_prob ? log_prob + i : NULL);
  RheoGuestLeaveQuick(&host);
  return wrong ? NotFinite(x, wrong) : RHEO_DONE;
}

int rheo_log_prob(const rheo_model *model, rheo_workspace *workspace, const double *x, int n,
                  const double *theta, double *log_prob)
{
  int wrong = 0;
  fenv_t host;

  if (Check(model, workspace, n)) return RHEO_INPUT;
  if (!workspace->one) {
    RheoGuestEnter();
    PetscOptionsPush(model->options);
    const PetscErrorCode code = RheoPosteriorLogProb(model->posterior, n, theta, x, PETSC_TRUE, log_prob);
    PetscOptionsPop();
    return EmbedLeave(code);
  }
  RheoGuestEnterQuick(&host);
  for (int i = 0; i < n && !wrong; i++)
    wrong = RheoPosteriorOneLogProb(workspace->one, x, theta + (size_t)i * (size_t)model->d, log_prob + i);
  RheoGuestLeaveQuick(&host);
  return wrong ? NotFinite(x, wrong) : RHEO_DONE;
}
