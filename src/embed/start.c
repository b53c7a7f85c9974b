/* Start and end, and the way of errors: a code to the caller, the message kept for its thread. */
#include "../base/deck.h"
#include "embed_impl.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[2048];

int EmbedFail(int code, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return code;
}

int EmbedReady(void)
{
  return RheoGuestIsHere() ? RHEO_DONE : EmbedFail(RHEO_INPUT, "rheo_start has not been called");
}

int EmbedLeave(PetscErrorCode code)
{
  if (RheoInternWasShort()) { /* whatever came of names that were not kept */
    EmbedFail(RHEO_FAILURE, "out of memory: there was no room for names");
    code = PETSC_ERR_MEM;
  } else if (code) {
    const char *kind = NULL, *text = RheoErrorMessage();
    if (!*text) PetscErrorMessage(code, &kind, NULL);
    snprintf(message, sizeof message, "%s", *text ? text : kind ? kind : "unknown error");
  }
  RheoGuestLeave();
  return code == 0 ? RHEO_DONE : code == RHEO_ERR_INPUT ? RHEO_INPUT : RHEO_FAILURE;
}

PetscErrorCode EmbedAgree(MPI_Comm comm, PetscErrorCode mine, const char *what)
{
  enum { WELL, MISTAKE, MEMORY, OTHER };
  int worst = !mine ? WELL : mine == RHEO_ERR_INPUT ? MISTAKE : mine == PETSC_ERR_MEM ? MEMORY : OTHER;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, comm));
  PetscCheck(mine != PETSC_ERR_MEM, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %s", what);
  if (mine) PetscFunctionReturn(mine);
  RheoInputCheck(worst != MISTAKE, PETSC_COMM_SELF, "%s: refused on another rank, which is told why", what);
  PetscCheck(worst != MEMORY, PETSC_COMM_SELF, PETSC_ERR_MEM, "another rank has no memory for %s", what);
  PetscCheck(worst != OTHER, PETSC_COMM_SELF, PETSC_ERR_LIB, "%s: failed on another rank, which is told why",
             what);
  PetscFunctionReturn(RHEO_OK);
}

int rheo_embed_abi(void)
{
  return RHEO_EMBED_ABI;
}

int rheo_start(void)
{
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended) return EmbedFail(RHEO_INPUT, "MPI has ended and cannot be started again");
  const PetscErrorCode code = RheoGuestStart();
  return code ? EmbedFail(RHEO_FAILURE, "PETSc does not start: error %d", (int)code) : RHEO_DONE;
}

int rheo_end(void)
{
  if (EmbedReady()) return RHEO_INPUT;
  const PetscErrorCode code = RheoGuestEnd();
  return code ? EmbedFail(RHEO_FAILURE, "PETSc does not end: error %d", (int)code) : RHEO_DONE;
}

const char *rheo_error(void)
{
  return message;
}

void rheo_error_text(char *text, int size)
{
  const size_t n = strlen(message);
  if (size < 1) return;
  const size_t room = (size_t)size - 1, used = n < room ? n : room;
  memcpy(text, message, used);
  memset(text + used, ' ', room - used);
  text[room] = 0;
}
