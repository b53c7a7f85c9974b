/* The names that a deck may choose are those of the types in the tables, in their order: a new type needs no more than its file
 * and its line. */
#include "check.h"
#include "cnf/cnf.h"
#include "cnf/coupling.h"
#include "flow/flow_impl.h"
#include <stdio.h>
#include <string.h>

static const char *rule_of(const RheoKey *keys, const char *name)
{
  for (; keys->name; keys++)
    if (!strcmp(keys->name, name)) return keys->rule;
  fail_msg("there is no key %s", name);
  return NULL;
}

#define SAME_NAMES(keys, key, types)                                                                         \
  do {                                                                                                       \
    char names[512] = "";                                                                                    \
    for (int k = 0; (types)[k]; k++)                                                                         \
      snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? "|" : "", (types)[k]->name); \
    assert_string_equal(rule_of(keys, key), names);                                                          \
  } while (0)

static void choices_are_the_tables(void **state)
{
  (void)state;
  SAME_NAMES(RheoCnfKeys, "velocity", RheoVelocityTypes);
  SAME_NAMES(RheoCnfKeys, "time", RheoEmbeddingTypes);
  SAME_NAMES(RheoCnfKeys, "path", RheoPathTypes);
  SAME_NAMES(RheoCnfKeys, "coupling", RheoCouplingTypes);
  SAME_NAMES(RheoNetKeys, "type", RheoNetTypes);
  SAME_NAMES(RheoFlowKeys, "base", RheoBaseTypes);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(choices_are_the_tables)};
  return RUN_TESTS(argc, argv, tests);
}
