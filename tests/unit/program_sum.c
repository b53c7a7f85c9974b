/* What counts as the program of an external simulator. */
#include "base/log.h"
#include "capture.h"
#include "check.h"
#include "sim/simulator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void Write(const char *path, const char *text, long at)
{
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fseek(file, at, SEEK_SET);
  fputs(text, file);
  fclose(file);
}

/* simulator.TYPE.checksum of a deck in the folder `program_sum`; "" where it has none. */
static const char *Sum(const char *type, const char *rest)
{
  static const RheoKey keys[] = {{"checksum", RHEO_KEY_STRING, 0, "", NULL, ""}, {0}};
  char text[512], section[64];
  const char *sum;
  RheoDeck deck;
  snprintf(text, sizeof text, "simulator: {type: %s, %s: {%s}}\n", type, type, rest);
  snprintf(section, sizeof section, "simulator.%s", type);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "program_sum/deck.yaml", text));
  OK(RheoSimulatorPinProgram(deck));
  OK(RheoDeckRead(deck, section, keys, &sum));
  OK(RheoDeckDestroy(&deck));
  return sum;
}

static const char *OfLine(const char *line)
{
  char rest[256];
  snprintf(rest, sizeof rest, "line: \"%s\", n_data: 1", line);
  return Sum("command", rest);
}

static void Start(void)
{
  FreshFolder("program_sum");
  Write("program_sum/a", "one", 0);
  Write("program_sum/b", "two", 0);
}

/* Whether a change of the file changes the line's sum. */
static int Counts(const char *line, const char *path)
{
  Start();
  const char *before = OfLine(line);
  assert_string_equal(before, OfLine(line));
  Write(path, "another", 0);
  return strcmp(before, OfLine(line)) != 0;
}

static void TestWords(void **state)
{
  static const char *const counts[] = {"program_sum/a",
                                       "python3 program_sum/a --n 3",
                                       "$RHEO_DECK_DIR/a x",
                                       "exec '${RHEO_DECK_DIR}/a'",
                                       "cat program_sum/b | ./program_sum/a",
                                       "tool --config=program_sum/a",
                                       "tool < program_sum/a",
                                       "tool > program_sum/b; . program_sum/a"},
                           *const not [] = {"tool", "tool > program_sum/a", "tool 2>>program_sum/a",
                                            "tool >program_sum/a program_sum/b", "program_sum"};
  (void)state;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    if (!Counts(counts[i], "program_sum/a")) fail_msg("'%s' does not count", counts[i]);
  for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
    if (Counts(not [i], "program_sum/a")) fail_msg("'%s' counts", not [i]);
  assert_string_equal(OfLine("tool"), "");
  assert_string_equal(OfLine("program_sum /dev/null"), ""); /* no files */
}

/* By content: neither when nor under which name; a long file by its beginning and its length. */
static void TestContent(void **state)
{
  const char *before;
  (void)state;
  Start();
  before = OfLine("program_sum/a");
  assert_int_equal(strlen(before), 16);
  Write("program_sum/c", "one", 0);
  assert_string_equal(before, OfLine("program_sum/c"));
  Write("program_sum/c", "x", 1L << 28);
  before = OfLine("program_sum/c");
  Write("program_sum/c", "y", 1L << 28);
  assert_string_equal(before, OfLine("program_sum/c"));
  Write("program_sum/c", "yy", 1L << 28);
  assert_string_not_equal(before, OfLine("program_sum/c"));
}

static void TestPlugin(void **state)
{
  const char *before;
  (void)state;
  Start();
  before = Sum("plugin", "path: a");
  assert_int_equal(strlen(before), 16);
  Write("program_sum/a", "another", 0);
  assert_string_not_equal(before, Sum("plugin", "path: a"));
  assert_string_equal(Sum("plugin", "path: none"), "");
}

static void TestStale(void **state)
{
  char rest[256];
  const char *sum;
  (void)state;
  Start();
  sum = OfLine("program_sum/a");
  snprintf(rest, sizeof rest, "line: program_sum/a, n_data: 1, checksum: '%s'", sum);
  Capture capture = CaptureStart(2, 0);
  assert_string_equal(Sum("command", rest), sum);
  char *said = CaptureEnd(&capture);
  assert_string_equal(said, "");
  free(said);
  Write("program_sum/a", "another", 0);
  capture = CaptureStart(2, 0);
  assert_string_not_equal(Sum("command", rest), sum);
  said = CaptureEnd(&capture);
  assert_non_null(strstr(said, "the simulator has changed since this was written"));
  free(said);
  snprintf(rest, sizeof rest, "line: tool, n_data: 1, checksum: '%s'", sum);
  RheoLogSetLevel(RHEO_LOG_ERROR);
  assert_string_equal(Sum("command", rest), "");
  RheoLogSetLevel(RHEO_LOG_INFO);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestWords), cmocka_unit_test(TestContent),
                                     cmocka_unit_test(TestPlugin), cmocka_unit_test(TestStale)};
  return RUN_TESTS(argc, argv, tests);
}
