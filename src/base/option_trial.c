#include "option_trial.h"
#include "error.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

PetscErrorCode RheoOptionGiven(const char *name, size_t size, char *value, PetscBool *given)
{
  char option[128];

  PetscFunctionBeginUser;
  snprintf(option, sizeof option, "-%s", name);
  value[0] = 0;
  PetscCall(PetscOptionsHasName(NULL, NULL, option, given));
  if (*given) PetscCall(PetscOptionsGetString(NULL, NULL, option, value, size, NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoOptionReject(RheoDeck deck, MPI_Comm comm, const char *key, const char *format, ...)
{
  const PetscBool option = (PetscBool)(!strncmp(key, "ts_", 3) || !strncmp(key, "tao_", 4));
  char text[1024];
  va_list arguments;

  PetscFunctionBeginUser;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  RheoInputCheck(deck, comm, "%s%s: %s", option ? "-" : "", key, text);
  if (option) PetscCall(RheoDeckRejectOption(deck, key, "%s", text));
  PetscCall(RheoDeckReject(deck, key, "%s", text));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoOptionOneOf(RheoDeck deck, MPI_Comm comm, const char *name, int n,
                               const char *const *known, const char *role)
{
  char value[128], list[256] = "";
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(RheoOptionGiven(name, sizeof value, value, &given));
  for (int i = 0; given && i < n; i++) {
    const size_t written = strlen(list);
    if (!strcmp(value, known[i])) PetscFunctionReturn(RHEO_OK);
    snprintf(list + written, sizeof list - written, "%s%s", i ? ", " : "", known[i]);
  }
  const char *nearest = RheoNearest(value, n, known);
  if (given)
    PetscCall(RheoOptionReject(deck, comm, name, "PETSc has nothing of this name that %s%s%s%s (it has: %s)",
                               role, nearest ? "; did you mean " : "", nearest ? nearest : "",
                               nearest ? "?" : "", list));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A trial ---- */

typedef struct {
  const char *const *families;
  PetscErrorCode (*trial)(void *data);
  void *data;
} Trial;

/* Options as "-name value" each. */
typedef struct {
  char *text, **name, **value;
  int n;
} Options;

/* Keeps the first line of what is complained about, and prints nothing. */
static PetscErrorCode Listen(MPI_Comm comm, int line, const char *function, const char *file,
                             PetscErrorCode code, PetscErrorType type, const char *message, void *context)
{
  char *complaint = context;
  (void)comm;
  (void)line;
  (void)function;
  (void)file;
  if (type == PETSC_ERROR_INITIAL && message) {
    snprintf(complaint, 256, "%s", message);
    complaint[strcspn(complaint, "\n")] = 0;
  }
  return code;
}

/* With the options of one data base; complaint (256) is empty where PETSc takes them. */
static PetscErrorCode Try(PetscOptions options, const Trial *t, char *complaint)
{
  PetscFunctionBeginUser;
  complaint[0] = 0;
  PetscCall(PetscOptionsPush(options));
  PetscCall(PetscPushErrorHandler(Listen, complaint));
  const PetscErrorCode code = t->trial(t->data);
  if (code && !complaint[0]) snprintf(complaint, 256, "error %d", (int)code);
  PetscCall(PetscPopErrorHandler());
  PetscCall(PetscOptionsPop());
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool IsOption(const char *text)
{
  return (PetscBool)(text[0] == '-' && isalpha((unsigned char)text[1]));
}

/* Options that print or keep, which a trial need not. */
static PetscBool IsIdle(const char *name)
{
  return (PetscBool)(strstr(name, "_monitor") || strstr(name, "_view") || strstr(name, "trajectory") ||
                     strstr(name, "_test_"));
}

/* Options are parted by blanks, and so are the parts of their values. */
static PetscErrorCode OptionsTake(const char *const *families, Options *options)
{
  int all = 0;

  PetscFunctionBeginUser;
  *options = (Options){0};
  PetscCall(PetscOptionsGetAll(NULL, &options->text));
  for (const char *c = options->text; *c; c++) all += *c == '-';
  PetscCall(PetscCalloc2(all + 1, &options->name, all + 1, &options->value));
  PetscBool taken = PETSC_FALSE;
  char *rest = options->text, *word;
  while ((word = strsep(&rest, " "))) {
    if (IsOption(word)) {
      taken = PETSC_FALSE;
      for (size_t k = 0; families[k] && !IsIdle(word); k++)
        if (!strncmp(word, families[k], strlen(families[k]))) taken = PETSC_TRUE;
      if (taken) options->name[options->n++] = word;
    } else if (taken && *word) {
      options->value[options->n - 1] = word;
      taken = PETSC_FALSE;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OptionsFree(Options *options)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(options->name, options->value));
  PetscCall(PetscFree(options->text));
  PetscFunctionReturn(RHEO_OK);
}

/* With options begin .. end - 1. */
static PetscErrorCode TrySome(const Options *options, int begin, int end, const Trial *trial, char *complaint)
{
  PetscOptions some;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsCreate(&some));
  for (int i = begin; i < end; i++)
    PetscCall(PetscOptionsSetValue(some, options->name[i], options->value[i]));
  PetscCall(Try(some, trial, complaint));
  PetscCall(PetscOptionsDestroy(&some));
  PetscFunctionReturn(RHEO_OK);
}

/* The one that PETSc does not take by itself, or else the first of the family: they do not go together. */
static PetscErrorCode Culprit(const Options *options, const Trial *trial, char *alone, size_t size,
                              char *name)
{
  const char *family = trial->families[0];

  PetscFunctionBeginUser;
  alone[0] = name[0] = 0;
  for (int i = 0; i < options->n && !alone[0]; i++) {
    PetscCall(TrySome(options, i, i + 1, trial, alone));
    if (alone[0] || (!name[0] && !strncmp(options->name[i], family, strlen(family))))
      snprintf(name, size, "%s", options->name[i] + 1);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoOptionsTry(RheoDeck deck, MPI_Comm comm, const char *const *families,
                              PetscErrorCode (*trial)(void *data), void *data)
{
  const Trial t = {families, trial, data};
  char complaint[256], alone[256], name[128];
  Options options;

  PetscFunctionBeginUser;
  PetscCall(OptionsTake(families, &options));
  PetscCall(TrySome(&options, 0, options.n, &t, complaint));
  if (complaint[0]) PetscCall(Culprit(&options, &t, alone, sizeof name, name));
  PetscCall(OptionsFree(&options));
  if (complaint[0])
    PetscCall(RheoOptionReject(deck, comm, name, "PETSc does not take this%s (%s)",
                               alone[0] ? "" : " beside the other options", alone[0] ? alone : complaint));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoOptionOther(const char *family, int n, const char *const *known, size_t size, char *name)
{
  const char *const families[] = {family, NULL};
  Options options;

  PetscFunctionBeginUser;
  name[0] = 0;
  PetscCall(OptionsTake(families, &options));
  for (int i = 0; i < options.n && !name[0]; i++) {
    int k = 0;
    while (k < n && strcmp(options.name[i] + 1, known[k])) k++;
    if (k == n) snprintf(name, size, "%s", options.name[i] + 1);
  }
  PetscCall(OptionsFree(&options));
  PetscFunctionReturn(RHEO_OK);
}
