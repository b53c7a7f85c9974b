#define RHEO_NO_HERE
#include "../base/deck.h"
#include "program.h"
#include <stdarg.h>
#include <stdio.h>

RheoScope RheoScopeRoot(RheoProgram program, RheoParams params, int training)
{
  return (RheoScope){program, params, "", training};
}

RheoScope rx_enter(RheoScope scope, const char *format, ...)
{
  char name[256];
  va_list list;
  int length = snprintf(name, sizeof name, "%s%s", scope.name, scope.name[0] ? "." : "");
  va_start(list, format);
  length += vsnprintf(name + length, sizeof name - (size_t)length, format, list);
  va_end(list);
  if (length >= (int)sizeof name) rx_fail(scope.program, "scope: the name '%s...' is too long", name);
  scope.name = RheoIntern(name);
  return scope;
}

RheoVal(rx_scope_param)(RheoScope scope, const char *name, RheoShape shape, RheoInit init)
{
  char full[320];
  int length = snprintf(full, sizeof full, "%s%s%s", scope.name, scope.name[0] ? "." : "", name);
  if (length >= (int)sizeof full) return rx_fail(scope.program, "param: the name '%s...' is too long", full);
  return rx_param(scope.program, scope.params, full, shape, init);
}
