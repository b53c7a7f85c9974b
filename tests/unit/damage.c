/* What other programs, disks and copies do to files: bytes changed at random, and lengths that promise too much. Reading them is
 * an error of one line, or other numbers, never more; most of it is for the sanitizers. The same variants in every run. */
#include "base/checksum.h"
#include "base/random.h"
#include "check.h"
#include "io/array.h"
#include "io/journal.h"
#include "io/table.h"
#include "train/checkpoint_impl.h"
#include "train/series.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 1 << 16, VARIANTS = 400 };

typedef struct {
  size_t n;
  unsigned char byte[MOST];
} Bytes;

static void Put(Bytes *b, const void *data, size_t n)
{
  assert_true(b->n + n <= MOST);
  memcpy(b->byte + b->n, data, n);
  b->n += n;
}

static void Save(const char *path, const void *data, size_t n)
{
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, n, file), n);
  fclose(file);
}

static void Load(const char *path, Bytes *b)
{
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  b->n = fread(b->byte, 1, MOST, file);
  assert_true(b->n > 0 && b->n < MOST);
  fclose(file);
}

/* One to three changes: a cut, a bit, a word that lengths stumble over, a piece that is there twice or not at all. */
static void Spoil(uint64_t variant, const Bytes *whole, Bytes *b)
{
  static const uint64_t words[] = {0,         1,          0x7fffffff, 0xffffffff,
                                   INT64_MAX, UINT64_MAX, 1ULL << 40, 0x0a2c302c};
  RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, variant);
  *b = *whole;
  for (uint64_t k = RheoStreamInteger(&stream, 3) + 1; k > 0 && b->n > 0; k--) {
    const size_t at = RheoStreamInteger(&stream, b->n), left = b->n - at;
    const size_t length = RheoStreamInteger(&stream, 40) + 1, n = PetscMin(left, length);
    const size_t word = (size_t)1 << RheoStreamInteger(&stream, 4);
    switch (RheoStreamInteger(&stream, 5)) {
    case 0:
      b->n = at;
      break;
    case 1:
      b->byte[at] ^= (unsigned char)(1 << RheoStreamInteger(&stream, 8));
      break;
    case 2:
      memcpy(b->byte + at, &words[RheoStreamInteger(&stream, sizeof words / sizeof *words)],
             PetscMin(left, word));
      break;
    case 3:
      memmove(b->byte + at, b->byte + at + n, left - n);
      b->n -= n;
      break;
    default:
      if (b->n + n > MOST) break;
      memmove(b->byte + at + n, b->byte + at, left);
      b->n += n;
    }
  }
}

/* One line that a terminal can show. */
static void CheckText(const char *text)
{
  assert_true(*text);
  for (const char *c = text; *c; c++) assert_false(iscntrl((unsigned char)*c));
}

static PetscBool IsGood(PetscErrorCode code)
{
  assert_true(code == RHEO_OK || code == RHEO_ERR_INPUT);
  if (code) CheckText(RheoErrorMessage());
  return (PetscBool)!code;
}

/* Spoilt files of a kind; how many were read all the same. */
static int Campaign(const char *path, const Bytes *whole, void (*mend)(Bytes *b), PetscBool (*read)(void))
{
  static Bytes b;
  int good = 0;
  RheoErrorSetQuiet(PETSC_TRUE);
  for (uint64_t i = 0; i < VARIANTS; i++) {
    Spoil(i, whole, &b);
    if (mend) mend(&b);
    Save(path, b.byte, b.n);
    good += read();
  }
  RheoErrorSetQuiet(PETSC_FALSE);
  unlink(path);
  assert_true(good > 0 && good < VARIANTS); /* it is neither blind nor harmless */
  return good;
}

/* ---- Text ---- */
static PetscBool ReadText(void)
{
  RheoTable *table;
  if (!IsGood(RheoTableReadText(PETSC_COMM_SELF, "spoilt.csv", &table))) return PETSC_FALSE;
  assert_true(table->n > 0 && table->block[0].width > 0);
  OK(RheoTableDestroy(&table));
  return PETSC_TRUE;
}

static void SpoiltText(void **state)
{
  static Bytes whole;
  char line[64];
  (void)state;
  Put(&whole, line, (size_t)snprintf(line, sizeof line, "a, \"b\", c\r\n# units: m\r\n"));
  for (int i = 0; i < 40; i++)
    Put(&whole, line, (size_t)snprintf(line, sizeof line, "%d,%g, -1e%d\r\n", i, i / 7., i));
  (void)Campaign("spoilt.csv", &whole, NULL, ReadText);
}

static void TextHasSurprises(void **state)
{
  static const char mark[] = "\xef\xbb\xbf"
                             "1,2\r\n3,4",
                    zero[] = "a,b\n1,2\0,3\n4,5\n", escape[] = "1,2\n1,\x1b[31m\n";
  RheoTable *table;
  (void)state;
  Save("mark.csv", mark, sizeof mark - 1); /* of a spreadsheet: its first row used to pass for names */
  OK(RheoTableReadText(PETSC_COMM_SELF, "mark.csv", &table));
  assert_int_equal(table->n, 2);
  assert_true(table->block[0].value[0] == 1 && table->block[0].value[3] == 4);
  OK(RheoTableDestroy(&table));
  Save("zero.csv", zero, sizeof zero - 1); /* the rest of such a line used to be dropped without a word */
  REJECTS(RheoTableReadText(PETSC_COMM_SELF, "zero.csv", &table), "line 2 has a zero byte");
  Save("escape.csv", escape, sizeof escape - 1);
  REJECTS(RheoTableReadText(PETSC_COMM_SELF, "escape.csv", &table), "line 2: '?[31m' is not a number");
  unlink("mark.csv");
  unlink("zero.csv");
  unlink("escape.csv");
}

/* ---- A journal ---- */
enum { ROWS = 100, WORDS = 4, FIRST_LAST = 90 };
typedef struct {
  uint64_t word[WORDS];
} Row;

static PetscBool ReadJournal(void)
{
  const RheoRowRange *missing;
  int64_t n_missing, at = 0, n = 0;
  RheoJournal journal;
  Row row[ROWS];
  if (!IsGood(RheoJournalOpen(PETSC_COMM_SELF, "spoilt_journal", 7, sizeof(Row), ROWS, &journal)))
    return PETSC_FALSE;
  OK(RheoJournalMissing(journal, &n_missing, &missing));
  for (int64_t k = 0; k <= n_missing; k++) {
    const int64_t end = k < n_missing ? missing[k].begin : ROWS;
    assert_true(end >= at && end <= ROWS);
    OK(RheoJournalRead(journal, at, end, row));
    for (int64_t i = at; i < end; i++)
      for (int w = 0; w < WORDS; w++) assert_true(row[i - at].word[w] == (uint64_t)(i * WORDS + w));
    n += end - at;
    at = k < n_missing ? missing[k].end : ROWS;
  }
  assert_int_equal(n, RheoJournalCount(journal));
  OK(RheoJournalDestroy(&journal));
  return (PetscBool)(n > 0);
}

/* Whatever happens to it: rows that it gives back are those that were put there. */
static void SpoiltJournal(void **state)
{
  static const int64_t records[][2] = {{0, 30}, {50, 10}, {20, 20}, {FIRST_LAST, 10}};
  static Bytes whole;
  RheoJournal journal;
  Row row[ROWS];
  (void)state;
  FreshFolder("spoilt_journal");
  OK(RheoJournalOpen(PETSC_COMM_SELF, "spoilt_journal", 7, sizeof(Row), ROWS, &journal));
  for (size_t k = 0; k < sizeof records / sizeof *records; k++) {
    for (int64_t i = 0; i < records[k][1]; i++)
      for (int w = 0; w < WORDS; w++) row[i].word[w] = (uint64_t)((records[k][0] + i) * WORDS + w);
    OK(RheoJournalAppend(journal, records[k][0], records[k][1], row));
  }
  OK(RheoJournalDestroy(&journal));
  Load("spoilt_journal/0-0", &whole);
  (void)Campaign("spoilt_journal/0-0", &whole, NULL, ReadJournal);
  /* A head that is whole by its checksum, of rows that no number of rows reaches. */
  const size_t at = whole.n - 10 * sizeof(Row) - 4 * sizeof(uint64_t);
  uint64_t head[4];
  memcpy(head, whole.byte + at, sizeof head);
  assert_int_equal(head[0], FIRST_LAST);
  head[0] = INT64_MAX - 5;
  head[3] = RheoChecksum(RHEO_CHECKSUM_START, head, 3 * sizeof *head);
  memcpy(whole.byte + at, head, sizeof head);
  Save("spoilt_journal/0-0", whole.byte, whole.n);
  OK(RheoJournalOpen(PETSC_COMM_SELF, "spoilt_journal", 7, sizeof(Row), ROWS, &journal));
  assert_int_equal(RheoJournalCount(journal), 50);
  assert_int_equal(RheoJournalDamaged(journal), 1);
  OK(RheoJournalDestroy(&journal));
  OK(RheoJournalRemove(PETSC_COMM_SELF, "spoilt_journal"));
}

/* ---- A series ---- */
static PetscBool ReadSeries(void)
{
  RheoSeriesFile file;
  RheoSeries series;
  const char *wrong;
  OK(RheoSeriesRead(PETSC_COMM_SELF, "spoilt_series.csv", &series, &wrong));
  if (wrong) CheckText(wrong);
  if (!wrong) assert_in_range(RheoSeriesLatest(&series), 0, PetscMax(0, series.n - 1));
  OK(RheoSeriesFree(&series));
  RheoSeriesFileOpen("spoilt_series.csv", &file);
  assert_true(file.turn >= 1);
  RheoSeriesFileClose(&file);
  return (PetscBool)!wrong;
}

static void SpoiltSeries(void **state)
{
  static Bytes whole;
  char line[256];
  (void)state;
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) {
    const int n = snprintf(line, sizeof line, "%s%c", RheoSeriesName((RheoSeriesColumn)k),
                           k + 1 < RHEO_SERIES_COLUMNS ? ',' : '\n');
    Put(&whole, line, (size_t)n);
  }
  for (int i = 0; i < 12; i++)
    Put(&whole, line,
        (size_t)snprintf(line, sizeof line, "%d,%d,%d,1.5,,,2,1e-3,,,,0,,,1\n", 1 + i / 5, i, i));
  (void)Campaign("spoilt_series.csv", &whole, NULL, ReadSeries);
  Put(&whole, line, (size_t)snprintf(line, sizeof line, "1e300,0,0,1.5,,,2,1e-3,,,,0,,,1\n"));
  Save("spoilt_series.csv", whole.byte, whole.n);
  RheoSeriesFile file;
  RheoSeriesFileOpen("spoilt_series.csv", &file);
  assert_int_equal(file.turn, 4); /* no such turn was ever begun, and no integer counts on from there */
  RheoSeriesFileClose(&file);
  unlink("spoilt_series.csv");
}

/* ---- A checkpoint ---- */
static PetscBool ReadCheckpoint(void)
{
  RheoCheckpointFacts facts;
  const char *wrong;
  OK(RheoCheckpointRead(PETSC_COMM_SELF, "spoilt.checkpoint", &facts, &wrong));
  if (wrong) CheckText(wrong);
  return (PetscBool)!wrong;
}

/* Length and checksum as if whoever wrote the file had meant it. */
static void Sign(Bytes *b)
{
  const size_t end = b->n - sizeof(uint64_t);
  const uint64_t n = b->n;
  if (b->n < sizeof(RheoCheckpointHead) + sizeof(uint64_t)) return;
  memcpy(b->byte + offsetof(RheoCheckpointHead, bytes), &n, sizeof n);
  const uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, b->byte, end);
  memcpy(b->byte + end, &sum, sizeof sum);
}

static void SpoiltCheckpoint(void **state)
{
  static const size_t sizes[] = {offsetof(RheoCheckpointHead, n_params), offsetof(RheoCheckpointHead, shards),
                                 offsetof(RheoCheckpointHead, n_history),
                                 offsetof(RheoCheckpointHead, batch)};
  static const int64_t values[] = {-1, 3, INT64_MAX / 4, INT64_MAX, INT64_MIN};
  static Bytes whole, b;
  static double body[256];
  RheoCheckpointFacts facts;
  RheoCheckpointHead head;
  const char *wrong;
  (void)state;
  RheoCheckpointHeadStart(&head);
  head.n_params = 20;
  head.shards = 4;
  head.batch = 2;
  head.n_history = 5;
  head.bytes = RheoCheckpointBytes(&head);
  Put(&whole, &head, sizeof head);
  Put(&whole, body, head.bytes - sizeof head);
  Sign(&whole);
  Save("spoilt.checkpoint", whole.byte, whole.n);
  assert_true(ReadCheckpoint());
  (void)Campaign("spoilt.checkpoint", &whole, Sign, ReadCheckpoint);
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
      b = whole;
      memcpy(b.byte + sizes[k], &values[v], sizeof *values);
      Sign(&b);
      Save("spoilt.checkpoint", b.byte, b.n);
      OK(RheoCheckpointRead(PETSC_COMM_SELF, "spoilt.checkpoint", &facts, &wrong));
      assert_non_null(wrong);
      assert_string_equal(wrong, "the sizes that it names do not add up");
    }
  unlink("spoilt.checkpoint");
}

/* ---- Rows that are pulled out of a file which turns out to be damaged ---- */
static int PullNothing(void *context, int block, int64_t first, int64_t n, double *value)
{
  (void)context, (void)block, (void)first, (void)n, (void)value;
  return -1;
}

static void DamageIsTheFilesNotOurs(void **state)
{
  const char *const name = "x";
  RheoTable table = {.kind = "dataset", .n = 3, .end = 3, .n_blocks = 1, .pull = PullNothing};
  (void)state;
  table.block[0] = (RheoBlock){.name = "data", .width = 1, .store = RHEO_STORE_DOUBLE, .columns = &name};
  table.pulled_from = "runs.npz";
  REJECTS(RheoTableWrite(PETSC_COMM_SELF, "pulled.h5", &table), "runs.npz: is damaged");
  table.pulled_from = NULL;
  RheoErrorSetQuiet(PETSC_TRUE);
  assert_int_equal(RheoTableWrite(PETSC_COMM_SELF, "pulled.h5", &table), PETSC_ERR_FILE_READ);
  RheoErrorSetQuiet(PETSC_FALSE);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(SpoiltText),       cmocka_unit_test(TextHasSurprises),
      cmocka_unit_test(SpoiltJournal),    cmocka_unit_test(SpoiltSeries),
      cmocka_unit_test(SpoiltCheckpoint), cmocka_unit_test(DamageIsTheFilesNotOurs)};
  return RUN_TESTS(argc, argv, tests);
}
