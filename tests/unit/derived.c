/* Expressions of derived quantities: values, precedence, and what is said to mistakes. */
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PRIOR                                                                                                \
  "prior: {beta: {family: exponential, rate: 1}, gamma: {family: exponential, rate: 1}, "                    \
  "inv_phi: {family: exponential, rate: 1}}\n"

static double Value(const char *expression)
{
  static const double theta[3] = {1.5, 0.5, 0.125};
  char text[4096];
  double q;
  RheoDerived derived;
  RheoPrior prior = PriorOf(PRIOR);
  snprintf(text, sizeof text, "derived: {q: '%s'}\n", expression);
  RheoDeck deck = DeckOf(text);
  OK(RheoDerivedCreate(deck, prior, &derived));
  assert_int_equal(RheoDerivedSize(derived), 1);
  assert_string_equal(RheoDerivedName(derived, 0), "q");
  RheoDerivedEvaluate(derived, theta, &q);
  OK(RheoDerivedDestroy(&derived));
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
  return q;
}

static void Values(void **state)
{
  static const struct {
    const char *expression;
    double value;
  } rows[] = {{"beta / gamma", 3},
              {"1 / inv_phi", 8},
              {"1 - 2 - 3", -4},
              {"12 / 3 / 2", 2},
              {"12 / 3 * 2", 8},
              {"1 + 2 * 3", 7},
              {"(1 + 2) * 3", 9},
              {"2 ^ 3 ^ 2", 512},
              {"-2 ^ 2", -4},
              {"2 ^ -1", 0.5},
              {"2 * -3", -6},
              {"+ - - 3", 3},
              {"1.5e1 - .5", 14.5},
              {"beta*gamma^2", 0.375},
              {"max(beta, gamma) - min(beta, gamma)", 1},
              {"abs(gamma - beta)", 1},
              {"sqrt(exp(log(beta))) ^ 2", 1.5},
              {"2*pi", 2 * M_PI},
              {"exp(-(beta + gamma) / 2)", 0.36787944117144233}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    const double value = Value(rows[i].expression);
    if (!(fabs(value - rows[i].value) < 1e-14)) fail_msg("%s = %.17g", rows[i].expression, value);
  }
  assert_true(isnan(Value("log(-1)")));
}

static PetscErrorCode Try(const char *text)
{
  RheoDerived derived;
  RheoPrior prior = PriorOf(PRIOR);
  RheoDeck deck = DeckOf(text);
  const PetscErrorCode code = RheoDerivedCreate(deck, prior, &derived);
  OK(RheoDerivedDestroy(&derived));
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
  return code;
}

static void MistakesGiveTheirPlace(void **state)
{
  char text[2048] = "derived: {q: '", deep[2048] = "derived: {q: '";
  (void)state;
  REJECTS(Try("derived:\n  R0: betta / gamma\n"), "test.yaml:2: derived.R0 = betta / gamma: character 1: "
                                                  "'betta' is no parameter, quantity above or function; "
                                                  "nearest: beta");
  REJECTS(Try("derived: {q: beta / gama}"),
          "character 8: 'gama' is no parameter, quantity above or function; nearest: gamma");
  REJECTS(Try("derived: {q: 'beta /'}"), "character 7: the expression ends");
  REJECTS(Try("derived: {q: '(beta'}"), "character 6: ')' expected");
  REJECTS(Try("derived: {q: 'beta gamma'}"), "character 6: an operator is expected before 'gamma'");
  REJECTS(Try("derived: {q: 'beta)'}"), "character 5: an operator is expected before ')'");
  REJECTS(Try("derived: {q: 'beta * / 2'}"), "character 8: a number, name or '(' expected, not '/'");
  REJECTS(Try("derived: {q: 'max(beta)'}"), "',' expected: max has 2 arguments");
  REJECTS(Try("derived: {q: 'exp(beta, 2)'}"), "')' expected: exp has 1 argument");
  REJECTS(Try("derived: {q: 'exp beta'}"), "'(' expected after exp");
  REJECTS(Try("derived: {q: '1.2.3'}"), "character 4");
  REJECTS(Try("derived: {q: '$'}"), "character 1");
  REJECTS(Try("derived: {beta: gamma}"), "is the name of a parameter already");
  REJECTS(Try("derived: {a: b + 1, b: beta}"), "character 1: 'b' is no parameter");
  for (int i = 0; i < 300; ++i) strcat(text, "beta+");
  strcat(text, "1'}");
  REJECTS(Try(text), "too long");
  for (int i = 0; i < 400; ++i) strcat(deep, "(");
  strcat(deep, "1'}");
  REJECTS(Try(deep), "nested too deeply");
}

static void QuantitiesBuildOnThoseAbove(void **state)
{
  const double theta[3] = {3, 2, 0.5};
  double q[2];
  RheoDerived derived;
  RheoPrior prior = PriorOf(PRIOR);
  RheoDeck deck = DeckOf("derived: {R0: beta / gamma, final: 1 - 1 / R0}");
  (void)state;
  OK(RheoDerivedCreate(deck, prior, &derived));
  RheoDerivedEvaluate(derived, theta, q);
  assert_true(fabs(q[0] - 1.5) < 1e-15 && fabs(q[1] - 1. / 3) < 1e-15);
  const RheoSection section = {"derived", RheoDerivedKeys, "derived quantities"};
  OK(RheoDeckCheck(deck, 1, &section));
  OK(RheoDerivedDestroy(&derived));
  OK(RheoDeckDestroy(&deck));
  deck = DeckOf("seed: 1");
  OK(RheoDerivedCreate(deck, prior, &derived));
  assert_int_equal(RheoDerivedSize(derived), 0);
  OK(RheoDerivedDestroy(&derived));
  OK(RheoDeckDestroy(&deck));
  OK(RheoPriorDestroy(&prior));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(Values),
      cmocka_unit_test(MistakesGiveTheirPlace),
      cmocka_unit_test(QuantitiesBuildOnThoseAbove),
  };
  return RUN_TESTS(argc, argv, tests);
}
