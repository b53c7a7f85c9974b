/* What the tests share. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

/* In a test: the call succeeds; the message says why where it does not. */
#define OK(call)                                                                                             \
  do {                                                                                                       \
    PetscErrorCode code_ = (call);                                                                           \
    if (code_) fail_msg("%s: error %d: %s", #call, (int)code_, RheoErrorMessage());                          \
  } while (0)

/* In a test: the call is the user's mistake, with a message that contains text. */
#define REJECTS(call, text)                                                                                  \
  do {                                                                                                       \
    RheoErrorSetQuiet(PETSC_TRUE);                                                                           \
    PetscErrorCode code_ = (call);                                                                           \
    RheoErrorSetQuiet(PETSC_FALSE);                                                                          \
    CheckRejected(#call, code_, text);                                                                       \
  } while (0)
void CheckRejected(const char *call, PetscErrorCode code, const char *text);

/* Runs a program (argv ends with NULL) and gives its exit status and what it wrote to stderr (free with
 * free). Output is cut off and -1 returned after `seconds`. */
int RunProgram(const char *const *argv, double seconds, char **err);

/* How many lines of text begin with prefix. */
int CountLines(const char *text, const char *prefix);

/* A fresh folder below the current one, of the given name; removed first where it exists. Not collective. */
void FreshFolder(const char *name);

/* Runs the tests between RheoInitialize and RheoFinalize: `int main(int argc, char **argv)`'s last call.
 * Ranks agree on the exit status. */
#define RUN_TESTS(argc, argv, tests) RunTests(argc, argv, tests, sizeof(tests) / sizeof *(tests))
int RunTests(int argc, char **argv, const struct CMUnitTest *tests, size_t n);
