/* Results as YAML: libyaml reads back what was written. Checksums.
 * ranks: 1 2 */
#include "base/yaml.h"
#include "base/checksum.h"
#include "base/deck.h"
#include "capture.h"
#include "check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const awkward[] = {
    "plain words", "",           " blank first", "a: b",    "x #y",  "- item",           "'quoted'",
    "\"double\"",  "1.5",        "yes",          "null",    "~",     "{a: 1}",           "[1, 2]",
    "back\\slash", "two\nlines", "tab\there",    "&anchor", "*star", "%percent",         "ends:",
    "---",         "?",          "| pipe",       ".inf",    "@at",   "\303\244\303\266", "a,b"};
enum { N_AWKWARD = sizeof awkward / sizeof *awkward };

static char *Write(void)
{
  Capture capture = CaptureStart(STDOUT_FILENO, 0);
  RheoYaml yaml = RheoYamlStdout(PETSC_COMM_WORLD);
  char name[16];
  RheoYamlOpen(&yaml, "posterior");
  RheoYamlOpen(&yaml, "beta");
  RheoYamlReal(&yaml, "mean", 1.5);
  RheoYamlReal(&yaml, "large", 1e20);
  RheoYamlReal(&yaml, "bad", NAN);
  RheoYamlReal(&yaml, "far", -INFINITY);
  RheoYamlInt(&yaml, "count", 12345678901234LL);
  RheoYamlReals(&yaml, "list", 3, (double[]){1, 2.5, INFINITY});
  RheoYamlClose(&yaml);
  RheoYamlText(&yaml, "none", NULL);
  RheoYamlClose(&yaml);
  RheoYamlOpen(&yaml, "texts");
  for (int i = 0; i < N_AWKWARD; ++i) {
    snprintf(name, sizeof name, "t%d", i);
    RheoYamlText(&yaml, name, awkward[i]);
  }
  RheoYamlClose(&yaml);
  return CaptureEnd(&capture);
}

static void WritesWhatAReaderExpects(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  char *text = Write();
  static const char expected[] = "posterior:\n"
                                 "  beta:\n"
                                 "    mean: 1.5\n"
                                 "    large: 1.0e+20\n"
                                 "    bad: .nan\n"
                                 "    far: -.inf\n"
                                 "    count: 12345678901234\n"
                                 "    list: [1, 2.5, .inf]\n"
                                 "  none: null\n"
                                 "texts:\n"
                                 "  t0: plain words\n"
                                 "  t1: \"\"\n";
  if (rank)
    assert_string_equal(text, "");
  else
    assert_memory_equal(text, expected, sizeof expected - 1);
  free(text);
}

static void TextsComeBack(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  char *text = Write(), name[16];
  if (rank) {
    free(text);
    return;
  }
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "stdout", text));
  for (int i = 0; i < N_AWKWARD; ++i) {
    const char *value = NULL;
    snprintf(name, sizeof name, "t%d", i);
    const RheoKey keys[] = {{name, RHEO_KEY_STRING, 0, NULL, NULL, NULL}, {0}};
    OK(RheoDeckRead(deck, "texts", keys, &value));
    if (!value || strcmp(value, awkward[i]))
      fail_msg("'%s' came back as '%s'", awkward[i], value ? value : "null");
  }
  OK(RheoDeckDestroy(&deck));
  free(text);
}

/* What readers of YAML refuse as it is, take for the end of a line, or drop; and neighbours of these. */
static void CharactersComeBack(void **state)
{
  static const char *const texts[] = {"x\302\205 y",
                                      "x\342\200\250y",
                                      "x\342\200\251",
                                      "\302\200 \302\237",
                                      "\357\273\277mark",
                                      "\357\277\276",
                                      "\357\277\277",
                                      "\177",
                                      "\r",
                                      "\355\237\277",
                                      "\356\200\200",
                                      "\302\240",
                                      "\360\220\200\200",
                                      "\364\217\277\277"};
  static const RheoKey keys[] = {{"text", RHEO_KEY_STRING, 0, NULL, NULL, NULL}, {0}};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    char *text = NULL;
    size_t size;
    RheoYaml yaml = {PETSC_COMM_SELF, open_memstream(&text, &size), 0};
    RheoYamlText(&yaml, "text", texts[i]);
    fclose(yaml.file);
    const char *value = NULL;
    RheoDeck deck;
    OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
    OK(RheoDeckLoadText(deck, "text", text));
    OK(RheoDeckRead(deck, "", keys, &value));
    assert_string_equal(value, texts[i]);
    OK(RheoDeckDestroy(&deck));
    free(text);
  }
}

/* Bytes of no UTF-8, as names of files may have, are taken for Latin-1: what is written stays a YAML text. */
static void OtherBytesAreLatin1(void **state)
{
  (void)state;
  Capture capture = CaptureStart(STDOUT_FILENO, 0);
  RheoYaml yaml = RheoYamlStdout(PETSC_COMM_SELF);
  RheoYamlOpen(&yaml, "bytes");
  RheoYamlText(&yaml, "latin", "caf\351 \303\251");
  RheoYamlText(&yaml, "cut", "x\342\202");
  RheoYamlText(&yaml, "surrogate", "\355\240\200");
  RheoYamlClose(&yaml);
  char *text = CaptureEnd(&capture);
  assert_string_equal(text, "bytes:\n"
                            "  latin: \"caf\\xe9 \303\251\"\n"
                            "  cut: \"x\\xe2\\x82\"\n"
                            "  surrogate: \"\\xed\\xa0\\x80\"\n");
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "stdout", text));
  OK(RheoDeckDestroy(&deck));
  free(text);
}

/* By itself, for decks have no lists of maps. */
static void ItemsAreMapsOfAList(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  Capture capture = CaptureStart(STDOUT_FILENO, 0);
  RheoYaml yaml = RheoYamlStdout(PETSC_COMM_WORLD);
  RheoYamlOpen(&yaml, "maps");
  RheoYamlItem(&yaml, 2, (const char *const[]){"ranks", "a, b"}, (double[]){4, 1e6});
  RheoYamlItem(&yaml, 1, (const char *const[]){"n"}, (double[]){NAN});
  RheoYamlClose(&yaml);
  char *text = CaptureEnd(&capture);
  assert_string_equal(text, rank ? "" : "maps:\n  - {ranks: 4, \"a, b\": 1.0e+06}\n  - {\"n\": .nan}\n");
  free(text);
}

/* Noll's published values of FNV-1a with 64 bits. */
static void ChecksumsAreFnv1a(void **state)
{
  (void)state;
  assert_true(RheoChecksum(RHEO_CHECKSUM_START, "", 0) == UINT64_C(0xcbf29ce484222325));
  assert_true(RheoChecksum(RHEO_CHECKSUM_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
  assert_true(RheoChecksum(RHEO_CHECKSUM_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
  assert_true(RheoChecksum(RheoChecksum(RHEO_CHECKSUM_START, "foo", 3), "bar", 3) ==
              UINT64_C(0x85944171f73967e8));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(WritesWhatAReaderExpects), cmocka_unit_test(TextsComeBack),
      cmocka_unit_test(CharactersComeBack),       cmocka_unit_test(OtherBytesAreLatin1),
      cmocka_unit_test(ItemsAreMapsOfAList),      cmocka_unit_test(ChecksumsAreFnv1a),
  };
  return RUN_TESTS(argc, argv, tests);
}
