/* Runge-Kutta schemes: which there are, and the tableaux that PETSc lacks. */
#include "scheme.h"
#include "../base/deck.h"
#include <stdio.h>
#include <string.h>

/* Tsitouras, "Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption", Computers &
 * Mathematics with Applications 62 (2011), table 1. First same as last; the estimate is the last line minus b. */
static PetscErrorCode RegisterTsit5(void)
{
  static const PetscReal c[7] = {0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1};
  static const PetscReal b[7] = {
      0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
      2.324710524099774,   0};
  static const PetscReal a[7][7] = {
      {0},
      {0.161},
      {-0.008480655492356989, 0.335480655492357},
      {2.8971530571054935, -6.359448489975075, 4.3622954328695815},
      {5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525},
      {5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383},
      {0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
       2.324710524099774}};
  static const PetscReal estimate[7] = {-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995,
                                        -0.1447110071732629,     0.5823571654525552,     -0.45808210592918697,
                                        0.015151515151515152};
  PetscReal embedded[7];

  PetscFunctionBeginUser;
  for (int i = 0; i < 7; i++) embedded[i] = b[i] + estimate[i];
  PetscCall(TSRKRegister("tsit5", 5, 7, &a[0][0], b, c, embedded, 0, NULL));
  PetscFunctionReturn(RHEO_OK);
}

/* The classical ones; Euler's method is the estimate of both of order two. */
static PetscErrorCode RegisterClassical(void)
{
  static const PetscReal euler[1] = {1}, none[1] = {0};
  static const PetscReal first[2] = {1, 0}, second[2] = {0, 1}, halves[2] = {0.5, 0.5};
  static const PetscReal midpoint[4] = {0, 0, 0.5, 0}, heun[4] = {0, 0, 1, 0};
  static const PetscReal rk4[4][4] = {{0}, {0.5}, {0, 0.5}, {0, 0, 1}};
  static const PetscReal rk4_weights[4] = {1. / 6, 1. / 3, 1. / 3, 1. / 6};
  static const PetscReal rk4_38[4][4] = {{0}, {1. / 3}, {-1. / 3, 1}, {1, -1, 1}};
  static const PetscReal rk4_38_weights[4] = {1. / 8, 3. / 8, 3. / 8, 1. / 8};

  PetscFunctionBeginUser;
  PetscCall(TSRKRegister("euler", 1, 1, none, euler, NULL, NULL, 0, NULL));
  PetscCall(TSRKRegister("midpoint", 2, 2, midpoint, second, NULL, first, 0, NULL));
  PetscCall(TSRKRegister("heun", 2, 2, heun, halves, NULL, first, 0, NULL));
  PetscCall(TSRKRegister("rk4", 4, 4, &rk4[0][0], rk4_weights, NULL, NULL, 0, NULL));
  PetscCall(TSRKRegister("rk4_38", 4, 4, &rk4_38[0][0], rk4_38_weights, NULL, NULL, 0, NULL));
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool registered = PETSC_FALSE;

/* PETSc forgets its schemes when it ends, and may be started again. */
static PetscErrorCode Forget(void)
{
  registered = PETSC_FALSE;
  return RHEO_OK;
}

PetscErrorCode RheoSchemesRegister(void)
{
  PetscFunctionBeginUser;
  if (registered) PetscFunctionReturn(RHEO_OK);
  PetscCall(RegisterTsit5());
  PetscCall(RegisterClassical());
  PetscCall(PetscRegisterFinalize(Forget));
  registered = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

/* PETSc has no public list of what is registered; its own names are those of petscts.h. */
static const char *const names[] = {"tsit5", "midpoint", "heun",  "euler", "rk4",   "rk4_38",
                                    TSRK1FE, TSRK2A,     TSRK2B,  TSRK3,   TSRK3BS, TSRK4,
                                    TSRK5F,  TSRK5DP,    TSRK5BS, TSRK6VR, TSRK7VR, TSRK8VR};
enum { NAMES = sizeof names / sizeof names[0] };

PetscBool RheoSchemeIsKnown(const char *name, size_t size, char *text)
{
  char list[256] = "";

  for (int i = 0; i < NAMES; i++)
    if (!strcmp(name, names[i])) return PETSC_TRUE;
  for (int i = 0; i < NAMES; i++) {
    strcat(list, i ? ", " : "");
    strcat(list, names[i]);
  }
  const char *nearest = RheoNearest(name, NAMES, names);
  snprintf(text, size, "there is no scheme '%s'%s%s%s (known: %s)", name, nearest ? "; did you mean " : "",
           nearest ? nearest : "", nearest ? "?" : "", list);
  return PETSC_FALSE;
}

PetscErrorCode RheoSchemeSet(TS ts, const char *name, PetscBool *adaptive)
{
  const PetscReal *embedded;
  char text[512];

  PetscFunctionBeginUser;
  RheoInputCheck(RheoSchemeIsKnown(name, sizeof text, text), PetscObjectComm((PetscObject)ts), "%s", text);
  PetscCall(RheoSchemesRegister());
  PetscCall(TSSetType(ts, TSRK));
  PetscCall(TSRKSetType(ts, name));
  PetscCall(TSRKGetTableau(ts, NULL, NULL, NULL, NULL, &embedded, NULL, NULL, NULL));
  if (adaptive) *adaptive = embedded ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}
