/* Data sets of files: columns, rows held back, conditions and classes, and what is wrong with a file. */
#include "sim/dataset.h"
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 200 };

/* a = row number, b = 1000 + a, label = a mod 3. */
static void write_file(const char *name, int bad_row, const char *bad)
{
  FILE *file = fopen(name, "w");
  assert_non_null(file);
  fputs("a,label,b\n", file);
  for (int i = 0; i < N; i++)
    if (i == bad_row)
      fprintf(file, "%s\n", bad);
    else
      fprintf(file, "%d,%d,%d\n", i, i % 3, 1000 + i);
  fclose(file);
}

static PetscErrorCode open_it(const char *section, RheoDeck *deck, RheoDataSet *data)
{
  char text[512];
  PetscFunctionBeginUser;
  snprintf(text, sizeof text, "target: {%s}\n", section);
  *deck = DeckOf(text);
  *data = NULL;
  PetscCall(RheoDataSetCreate(*deck, "target", 0, 5, data));
  PetscCall(RheoDataSetRead(*data));
  PetscCall(RheoDataSetCheckClasses(*data));
  PetscFunctionReturn(RHEO_OK);
}

static void files(void **state)
{
  (void)state;
  double x[2 * N], label[N], context[3 * N], seen[N] = {0};
  RheoDeck deck;
  RheoDataSet data;
  write_file("dataset.csv", -1, "");
  OK(open_it("file: dataset.csv, condition_columns: [label], classes: 3, test: 0.2", &deck, &data));
  assert_int_equal(RheoDataSetSize(data), 2);
  assert_int_equal(RheoDataSetConditions(data), 1);
  assert_int_equal(RheoDataSetContextSize(data), 3);
  assert_string_equal(RheoDataSetName(data, 1), "b");
  assert_string_equal(RheoDataSetConditionName(data, 0), "label");
  const int64_t n = RheoDataSetCount(data), m = RheoDataSetTestCount(data);
  assert_int_equal(n + m, N);
  assert_in_range(m, 20, 60);
  OK(RheoDataSetTraining(data, 0, n, x, label));
  OK(RheoDataSetTest(data, 0, m, x + 2 * n, label + n));
  for (int i = 0; i < N; i++) {
    assert_true(x[2 * i + 1] == 1000 + x[2 * i] && label[i] == fmod(x[2 * i], 3));
    seen[(int)x[2 * i]]++;
  }
  for (int i = 0; i < N; i++) assert_true(seen[i] == 1);
  OK(RheoDataSetTest(data, m - 1, 2, x, NULL)); /* round the end */
  assert_true(x[2] < x[0]);
  RheoDataSetContext(data, 3, (const double[]){1, 2, 7}, context);
  assert_true(context[0] == 0 && context[1] == 1 && context[2] == 0 && context[5] == 1 && isnan(context[6]));
  /* A pinned deck holds the same rows back under any seed, and needs the file no more until rows are asked for. */
  double again[2 * N];
  OK(RheoDataSetTest(data, 0, m, x, NULL));
  OK(RheoDataSetPin(data));
  OK(RheoDataSetDestroy(&data));
  OK(RheoDataSetCreate(deck, "target", 0, 6, &data));
  OK(RheoDataSetRead(data));
  assert_int_equal(RheoDataSetTestCount(data), m);
  OK(RheoDataSetTest(data, 0, m, again, NULL));
  assert_memory_equal(x, again, (size_t)(2 * m) * sizeof *x);
  OK(RheoDataSetDestroy(&data));
  remove("dataset.csv");
  OK(RheoDataSetCreate(deck, "target", 0, 5, &data));
  assert_int_equal(RheoDataSetSize(data), 2);
  REJECTS(RheoDataSetRead(data), "dataset.csv");
  OK(RheoDataSetDestroy(&data));
  OK(RheoDeckDestroy(&deck));
}

static void mistakes(void **state)
{
  (void)state;
  static const char *const wrong[][2] = {
      {"file: dataset.csv, columns: [a, c]", "no column 'c'"},
      {"file: dataset.csv, condition_columns: [label], classes: 2", "no class from 0 to 1"},
      {"file: dataset.csv, condition_columns: [label], classes: 4", "of class 3"},
      {"file: dataset.csv, condition_columns: [label], classes: 500", "more than the"},
      {"file: dataset.csv, condition_columns: [label], classes: 1", "at least 2"},
      {"file: dataset.csv, classes: 3", "needs one condition column"},
      {"file: dataset.csv, condition_columns: [a, b, label]", "no column"},
      {"file: dataset.csv, toy: moons", "has both"},
      {"n: 10", "has none"},
      {"file: dataset.csv, noise: 3", "belongs to a toy"},
      {"toy: moons, classes: 3", "belongs to a file"},
      {"file: dataset.csv, test_file: dataset.csv, split: 3", "and test_file"},
      {"file: dataset.csv, columns: [a, b, a]", "columns: column 'a' is taken twice"},
      {"file: dataset.csv, condition_columns: [label, label]",
       "condition_columns: column 'label' is taken twice"},
      {"file: dataset.csv, columns: [a, b], condition_columns: [b]", "'b' is among the features too"},
      {"toy: eight_gaussians, n: 8, condition: class", "no row to train on is of class"},
      {"file: absent.csv", "absent.csv"}};
  RheoDeck deck;
  RheoDataSet data;
  write_file("dataset.csv", -1, "");
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    REJECTS(open_it(wrong[i][0], &deck, &data), wrong[i][1]);
    OK(RheoDataSetDestroy(&data));
    OK(RheoDeckDestroy(&deck));
  }
  write_file("dataset.csv", 7, "7,nan,1007");
  REJECTS(open_it("file: dataset.csv", &deck, &data), "row 8 of column 'label' is nan, which is not finite");
  OK(RheoDataSetDestroy(&data));
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(files), cmocka_unit_test(mistakes)};
  return RUN_TESTS(argc, argv, tests);
}
