/* The deck: what may stand in it, what the command line changes, and what is said about mistakes.
 * ranks: 1 2 */
#include "base/deck.h"
#include "capture.h"
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  int epochs;
  int64_t batch;
  double rate;
  PetscBool ema;
  const char *file;
  int schedule;
  RheoReals betas;
  RheoStrings layers;
} Train;

#define AT(type, field) offsetof(type, field)
static const RheoKey train_keys[] = {
    {"epochs", RHEO_KEY_INT, AT(Train, epochs), "10", "[1, inf)", "passes over the data"},
    {"batch", RHEO_KEY_COUNT, AT(Train, batch), "200", "[1, inf)", "rows per step"},
    {"rate", RHEO_KEY_REAL, AT(Train, rate), "1e-3", "(0, inf)", "step size"},
    {"ema", RHEO_KEY_BOOL, AT(Train, ema), "no", NULL, "average the weights"},
    {"file", RHEO_KEY_STRING, AT(Train, file), NULL, NULL, "data set"},
    {"schedule", RHEO_KEY_CHOICE, AT(Train, schedule), "cosine", "constant|cosine|plateau",
     "of the step size"},
    {"betas", RHEO_KEY_REALS, AT(Train, betas), "0.9, 0.999", "[0, 1)", "of Adam"},
    {"layers", RHEO_KEY_STRINGS, AT(Train, layers), NULL, "coupling|lu|actnorm", "from data to base"},
    {0}};

typedef struct {
  int bins;
} Spline;
static const RheoKey spline_keys[] = {
    {"bins", RHEO_KEY_INT, AT(Spline, bins), "8", "[2, 128]", "bins a spline"}, {0}};

typedef struct {
  const char *type;
  double mean, lower;
} Prior;
static const RheoKey prior_keys[] = {
    {"type", RHEO_KEY_STRING, AT(Prior, type), RHEO_REQUIRED, NULL, "distribution"},
    {"mean", RHEO_KEY_REAL, AT(Prior, mean), "0", NULL, "location"},
    {"lower", RHEO_KEY_REAL, AT(Prior, lower), "-.inf", NULL, "bound"},
    {0}};
static const RheoSection sections[] = {{"train", train_keys, "training"},
                                       {"flow.rqs_coupling", spline_keys, "splines"},
                                       {"prior.*", prior_keys, "one parameter"}};
enum { N_SECTIONS = 3 };

static RheoDeck Load(const char *text)
{
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "flu.yaml", text));
  return deck;
}

static void Arguments(RheoDeck deck, const char *line)
{
  char *copy = strdup(line), *rest = copy, *part;
  const char *argv[32];
  int n = 0;
  while ((part = strsep(&rest, " "))) argv[n++] = part;
  OK(RheoDeckSetArguments(deck, n, argv));
  free(copy);
}

static Train ReadTrain(const char *text, const char *line)
{
  Train train;
  RheoDeck deck = Load(text);
  if (line) Arguments(deck, line);
  OK(RheoDeckCheck(deck, N_SECTIONS, sections));
  OK(RheoDeckRead(deck, "train", train_keys, &train));
  OK(RheoDeckDestroy(&deck));
  return train;
}

static void DefaultsHold(void **state)
{
  (void)state;
  Train t = ReadTrain("", NULL);
  assert_int_equal(t.epochs, 10);
  assert_int_equal(t.batch, 200);
  assert_true(t.rate == 1e-3 && !t.ema && !t.file);
  assert_int_equal(t.schedule, 1);
  assert_int_equal(t.betas.n, 2);
  assert_true(t.betas.v[0] == 0.9 && t.betas.v[1] == 0.999);
  assert_int_equal(t.layers.n, 0);
}

static void ValuesOfEveryType(void **state)
{
  (void)state;
  Train t = ReadTrain("# a comment\n"
                      "train:\n"
                      "  epochs: 3\n"
                      "  batch: 1e6\n"
                      "  rate: 2.5e-4\n"
                      "  ema: yes\n"
                      "  file: \"a, b: c.h5\"\n"
                      "  schedule: plateau\n"
                      "  betas: [0.5, 0.25, 0]\n"
                      "  layers: [lu, coupling]\n",
                      NULL);
  assert_int_equal(t.epochs, 3);
  assert_int_equal(t.batch, 1000000);
  assert_true(t.rate == 2.5e-4 && t.ema);
  assert_string_equal(t.file, "a, b: c.h5");
  assert_int_equal(t.schedule, 2);
  assert_true(t.betas.n == 3 && t.betas.v[1] == 0.25 && t.betas.v[2] == 0);
  assert_int_equal(t.layers.n, 2);
  assert_string_equal(t.layers.v[0], "lu");
  assert_string_equal(t.layers.v[1], "coupling");
  assert_int_equal(ReadTrain("train: {batch: 100k}", NULL).batch, 100000);
  assert_int_equal(ReadTrain("train: {batch: 2M}", NULL).batch, 2000000);
  assert_int_equal(ReadTrain("train: {batch: 1.1k}", NULL).batch, 1100);
  assert_int_equal(ReadTrain("train: {batch: 9007199254740993}", NULL).batch, INT64_C(9007199254740993));
  assert_int_equal(ReadTrain("train: {layers: lu}", NULL).layers.n, 1);
  assert_int_equal(ReadTrain("train: {layers: []}", NULL).layers.n, 0);
  assert_true(ReadTrain("train: {file: null}", NULL).file == NULL);
}

static void CommandLineWins(void **state)
{
  (void)state;
  Train t = ReadTrain("train: {batch: 5, layers: [lu]}",
                      "-train_batch 7 -train_ema -train_layers coupling,lu -train_betas 0.1,0.2");
  assert_int_equal(t.batch, 7);
  assert_true(t.ema);
  assert_int_equal(t.layers.n, 2);
  assert_string_equal(t.layers.v[1], "lu");
  assert_true(t.betas.n == 2 && t.betas.v[1] == 0.2);
  t = ReadTrain("train: {batch: 5}", "--train_batch 7 -train_batch 8 -train_schedule constant");
  assert_int_equal(t.batch, 8);
  assert_int_equal(t.schedule, 0);

  RheoDeck deck;
  Spline spline;
  Prior prior;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  Arguments(deck, "-flow_rqs_coupling_bins 9 -prior_beta_mean -3 -prior_beta_lower -.5e1");
  OK(RheoDeckLoadText(deck, "flu.yaml", "flow: {rqs_coupling: {bins: 4}}\nprior: {beta: {type: normal}}"));
  OK(RheoDeckCheck(deck, N_SECTIONS, sections));
  OK(RheoDeckRead(deck, "flow.rqs_coupling", spline_keys, &spline));
  assert_int_equal(spline.bins, 9);
  OK(RheoDeckRead(deck, "prior.beta", prior_keys, &prior));
  assert_true(prior.mean == -3 && prior.lower == -5);
  OK(RheoDeckSet(deck, "flow.rqs_coupling.bins", "12"));
  OK(RheoDeckRead(deck, "flow.rqs_coupling", spline_keys, &spline));
  assert_int_equal(spline.bins, 12);
  OK(RheoDeckDestroy(&deck));
}

static void ChildrenKeepTheirOrder(void **state)
{
  (void)state;
  RheoDeck deck = Load("prior:\n  zeta: {type: a}\n  beta: {type: b}\n  eta: {type: c}\n");
  const char **names;
  int n;
  PetscBool has;
  OK(RheoDeckGetChildren(deck, "prior", &n, &names));
  assert_int_equal(n, 3);
  assert_string_equal(names[0], "zeta");
  assert_string_equal(names[1], "beta");
  assert_string_equal(names[2], "eta");
  OK(PetscFree(names));
  OK(RheoDeckGetChildren(deck, "absent.section", &n, &names));
  assert_int_equal(n, 0);
  OK(RheoDeckHas(deck, "prior.beta.type", &has));
  assert_true(has);
  OK(RheoDeckHas(deck, "prior.gamma", &has));
  assert_false(has);
  OK(RheoDeckDestroy(&deck));
}

static void RejectsText(const char *text, const char *message)
{
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  REJECTS(RheoDeckLoadText(deck, "flu.yaml", text), message);
  OK(RheoDeckDestroy(&deck));
}

static void BadTextsAreRejectedWithTheirLine(void **state)
{
  (void)state;
  RejectsText("train:\n  batch: 1\n  rate: 2\n  batch: 3\n",
              "flu.yaml:4: train.batch: duplicate key, first given in line 2");
  RejectsText("a: 1\ntrain: {batch: 1\nb: 2\n", "flu.yaml:3: not valid YAML: ");
  RejectsText("a:\n\tb: 1\n", "flu.yaml:2: not valid YAML: ");
  RejectsText("train:\n  - {batch: 1}\n", "flu.yaml:2: train: a list of sections is not possible");
  RejectsText("train: [[1, 2]]\n", "train: a list inside a list is not possible");
  RejectsText("just words\n", "flu.yaml:1: a deck is made of 'key: value' lines");
  RejectsText("a: 1\n---\nb: 2\n", "a second YAML document");
  RejectsText("a.b: 1\n", "'a.b' cannot be a key");
  RejectsText("a: &x\n  b: *x\n", "nested too deeply");
  RejectsText("\001\002binary", "not valid YAML");
  RejectsText("a: 1\nb: 2\n# caf\xe9\nc: 3\n", "flu.yaml:3: not valid YAML: ");
  RejectsText("a: 1\nb: \"x\001\"\n", "flu.yaml:2: not valid YAML: ");
  RejectsText("a: 1\nb: \"x\\0y\"\n", "flu.yaml:2: b: holds a zero byte");
  RejectsText("a:\n  \"b\\0c\": 1\n", "flu.yaml:2: a: a key holds a zero byte");
  RejectsText("a:\n  - x\n  - \"x\\0y\"\n", "flu.yaml:3: a: holds a zero byte");
}

/* A list may be long, and aliases may repeat it a few times, but not without end. */
static void ListsAreLongButAliasesDoNotMultiply(void **state)
{
  enum { ITEMS = 150000, SIZE = 1 << 20 };
  char *text = malloc(SIZE), *end = text;
  (void)state;
  end += sprintf(end, "train:\n  betas: [");
  for (int i = 0; i < ITEMS; ++i) end += sprintf(end, "0,");
  sprintf(end, "]\n");
  assert_int_equal(ReadTrain(text, NULL).betas.n, ITEMS);

  end = text + sprintf(text, "a: &list [");
  for (int i = 0; i < 2000; ++i) end += sprintf(end, "0,");
  end += sprintf(end, "]\n");
  char *after = end;
  for (int i = 0; i < 20; ++i) end += sprintf(end, "k%d: *list\n", i);
  RheoDeck deck = Load(text);
  OK(RheoDeckDestroy(&deck));
  end = after;
  for (int i = 0; i < 2000; ++i) end += sprintf(end, "k%d: *list\n", i);
  RejectsText(text, "aliases ('*name') make lists of too many items");
  free(text);
}

static void RejectsDeck(const char *text, const char *line, const char *message)
{
  RheoDeck deck = Load(text);
  if (line) Arguments(deck, line);
  REJECTS(RheoDeckCheck(deck, N_SECTIONS, sections), message);
  OK(RheoDeckDestroy(&deck));
}

static void BadValuesNameKeyRuleAndValue(void **state)
{
  (void)state;
  RejectsDeck("train:\n  batch: 0\n", NULL,
              "flu.yaml:2: train.batch: must be in [1, inf), got 0 (rows per step)");
  RejectsDeck("train: {epochs: 1.5}", NULL, "train.epochs: must be an integer, got 1.5");
  RejectsDeck("train: {epochs: 3000000000}", NULL, "train.epochs: must be an integer below 2^31");
  RejectsDeck("train: {batch: 1.5k3}", NULL, "train.batch: must be an integer, got 1.5k3");
  RejectsDeck("train: {batch: 10m}", NULL, "train.batch: must be an integer, got 10m");
  RejectsDeck("train: {rate: 0}", NULL, "train.rate: must be in (0, inf), got 0");
  RejectsDeck("train: {rate: fast}", NULL, "train.rate: must be a number, got fast");
  RejectsDeck("train: {rate: .nan}", NULL, "train.rate: must be a number");
  RejectsDeck("train: {rate: nan}", NULL, "train.rate: must be a number");
  RejectsDeck("train: {rate: }", NULL, "train.rate: must be given, got no value");
  RejectsDeck("train: {rate: [1, 2]}", NULL, "train.rate: must be one value, got a list");
  RejectsDeck("train: {rate: {a: 1}}", NULL, "train.rate: must be a value, got a section");
  RejectsDeck("train: {ema: perhaps}", NULL, "train.ema: must be yes or no, got perhaps");
  RejectsDeck("train: {schedule: cosin}", NULL,
              "train.schedule: must be one of constant, cosine, plateau, got cosin");
  RejectsDeck("train: {schedule: cosine|plateau}", NULL, "train.schedule: must be one of");
  RejectsDeck("train: {betas: [0.9, 1]}", NULL, "train.betas: must be in [0, 1), got 1");
  RejectsDeck("train: {layers: [lu, splines]}", NULL,
              "train.layers: must be one of coupling, lu, actnorm, got splines");
  RejectsDeck("flow: {rqs_coupling: {bins: 129}}", NULL,
              "flow.rqs_coupling.bins: must be in [2, 128], got 129");
  RejectsDeck("train: {batch: 3}", "-train_batch 0",
              "command line: -train_batch: must be in [1, inf), got 0");
  RejectsDeck("train: 3", NULL, "flu.yaml:1: train: is a section");
}

static void UnknownKeysGetTheNearestKnown(void **state)
{
  (void)state;
  RejectsDeck("train:\n  epochs: 3\n  bacth: 4\n", NULL,
              "flu.yaml:3: unknown key train.bacth; did you mean train.batch?");
  RejectsDeck("trian: {batch: 4}", NULL, "unknown key trian.batch; did you mean train.batch?");
  RejectsDeck("train_batch: 4", NULL, "unknown key train_batch; did you mean train.batch?");
  RejectsDeck("batch: 4", NULL, "unknown key batch; did you mean train.batch?");
  RejectsDeck("train: {wombat: 4}", NULL, "unknown key train.wombat; known here: epochs, batch, rate");
  RejectsDeck("zebra: {}", NULL, "unknown key zebra");
  RejectsDeck("prior: {beta: {type: normal, maen: 2}}", NULL,
              "unknown key prior.beta.maen; did you mean prior.beta.mean?");
  RejectsDeck("", "-train_bacth 0", "command line: -train_bacth: unknown key; did you mean -train_batch?");
  RejectsDeck("prior: {beta: {type: normal}}", "-prior_bta_mean 0",
              "command line: -prior_bta_mean: unknown key; did you mean -prior_beta_mean?");
  char text[400];
  snprintf(text, sizeof text, "%0300d: 1", 0);
  RejectsDeck(text, NULL, "flu.yaml:1: unknown key 000");
  assert_null(strstr(RheoErrorMessage(), "did you mean"));
  text[300] = 0;
  assert_null(RheoNearest(text, 1, (const char *const[]){"batch"}));
}

static void MissingAndRejectedKeys(void **state)
{
  (void)state;
  Prior prior;
  RheoDeck deck = Load("prior:\n  beta:\n    mean: 2\n    lower: 5\n");
  OK(RheoDeckCheck(deck, N_SECTIONS, sections));
  REJECTS(RheoDeckRead(deck, "prior.beta", prior_keys, &prior),
          "flu.yaml: prior.beta.type: is required (distribution)");
  REJECTS(RheoDeckReject(deck, "prior.beta.lower", "must be below the mean, %g", 2.0),
          "flu.yaml:4: prior.beta.lower = 5: must be below the mean, 2");
  REJECTS(RheoDeckReject(deck, "prior.gamma", "is needed by the simulator"),
          "flu.yaml: prior.gamma: is needed");
  const char *arguments[] = {"stray", "-a=3"};
  REJECTS(RheoDeckSetArguments(deck, 1, arguments), "command line: 'stray' is not an option");
  REJECTS(RheoDeckSetArguments(deck, 1, arguments + 1), "write -key value");
  const char *latin[] = {"-train_file", "caf\xe9", "-caf\xe9", "-output", "caf\xe9"};
  REJECTS(RheoDeckSetArguments(deck, 2, latin),
          "command line: -train_file: 'caf' is followed by a byte that is not UTF-8");
  REJECTS(RheoDeckSetArguments(deck, 1, latin + 2), "command line: '-caf' is followed by a byte");
  OK(RheoDeckSetArguments(deck, 2, latin + 3)); /* a folder, which is not part of the deck's text */
  for (int i = 0; i < 5; ++i) { /* longer than need be, half a pair, too large, cut short, no start */
    latin[1] = (const char *const[]){"\xc1\x81", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}[i];
    REJECTS(RheoDeckSetArguments(deck, 2, latin), "command line: -train_file: '' is followed by a byte");
  }
  OK(RheoDeckDestroy(&deck));
}

static void FilesAreReadOrRejected(void **state)
{
  (void)state;
  RheoDeck deck;
  Train train;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  REJECTS(RheoDeckLoadFile(deck, "no_such_deck.yaml"),
          "no_such_deck.yaml: cannot read the deck: No such file");
  REJECTS(RheoDeckLoadFile(deck, "."), ".: cannot read the deck: Is a directory");
  if (!rank) {
    FILE *file = fopen("unit_deck_test.yaml", "w");
    fputs("train: {batch: 17}\n", file);
    fclose(file);
  }
  OK(RheoDeckLoadFile(deck, "unit_deck_test.yaml"));
  OK(RheoDeckRead(deck, "train", train_keys, &train));
  assert_int_equal(train.batch, 17);
  OK(RheoDeckDestroy(&deck));
  MPI_Barrier(PETSC_COMM_WORLD);
  if (!rank) remove("unit_deck_test.yaml");
}

static void TextLoadsToAnEqualDeck(void **state)
{
  (void)state;
  static const char deck_text[] = "train:\n"
                                  "  layers: [lu, coupling]\n"
                                  "  batch: 100k\n"
                                  "  betas: []\n"
                                  "  file: \"a, b: #c \\\"d\\\"\\n\"\n"
                                  "prior:\n"
                                  "  zeta: {type: 'null', mean: -1e3}\n"
                                  "  beta: {type: ~, lower: .inf}\n"
                                  "empty: {}\n"
                                  "list: ['a,b', c, '', \"[x]\", 'y: z']\n"
                                  "commas: a,b\n"
                                  "quoted: 'a,b'\n"
                                  "ts: {rtol: 1e-7, type: rk}\n";
  const char *first, *second;
  RheoDeck deck = Load(deck_text);
  Arguments(
      deck,
      "-output here -ts_monitor -train_batch 5 -prior_beta_mean -3 -train_layers actnorm,@odd -ts_atol 1e-9 "
      "-flow_rqs_coupling_bins 4");
  PetscBool same;
  RheoErrorSetQuiet(PETSC_TRUE);
  (void)RheoDeckCheck(deck, N_SECTIONS, sections); /* merges; '@odd' is not a layer */
  RheoErrorSetQuiet(PETSC_FALSE);
  OK(RheoDeckGetText(deck, &first));
  assert_string_equal(first, "train:\n"
                             "  layers: [actnorm, \"@odd\"]\n"
                             "  batch: 5\n"
                             "  betas: []\n"
                             "  file: \"a, b: #c \\\"d\\\"\\n\"\n"
                             "prior:\n"
                             "  zeta:\n"
                             "    type: \"null\"\n"
                             "    mean: -1e3\n"
                             "  beta:\n"
                             "    type: null\n"
                             "    lower: .inf\n"
                             "    mean: -3\n"
                             "empty: {}\n"
                             "list: [\"a,b\", c, \"\", \"[x]\", \"y: z\"]\n"
                             "commas: a,b\n"
                             "quoted: \"a,b\"\n"
                             "ts:\n"
                             "  rtol: 1e-7\n"
                             "  type: rk\n"
                             "ts_atol: 1e-9\n"
                             "flow:\n"
                             "  rqs_coupling:\n"
                             "    bins: 4\n");
  RheoDeck again = Load(first);
  OK(RheoDeckGetText(again, &second));
  assert_string_equal(first, second);
  OK(PetscStrcmp(first, second, &same));
  assert_true(same);
  OK(RheoDeckDestroy(&deck));
  OK(RheoDeckDestroy(&again));
}

/* Characters that a reader of YAML refuses, or takes for the end of a line. */
static void AwkwardCharactersLoadToAnEqualDeck(void **state)
{
  (void)state;
  static const char deck_text[] =
      "\"\\uFEFFkey\": 1\n"
      "train: {file: \"x\\N y\"}\n"
      "list: [\"a\\Lb\", \"a\\Pb\", \"\\x9f\\x7f\", \"\\uFFFF\", \"\\U0001F600\\xe4\"]\n";
  const char *first, *second;
  Train train;
  RheoDeck deck = Load(deck_text);
  OK(RheoDeckSetArguments(deck, 4,
                          (const char *const[]){"-a\342\200\250b", "c\302\205 d", "-e", "\xef\xbf\xbf"}));
  OK(RheoDeckGetText(deck, &first));
  assert_string_equal(first,
                      "\"\\ufeffkey\": 1\n"
                      "train:\n"
                      "  file: \"x\\N y\"\n"
                      "list: [\"a\\Lb\", \"a\\Pb\", \"\\x9f\\x7f\", \"\\uffff\", \xf0\x9f\x98\x80\xc3\xa4]\n"
                      "\"a\\Lb\": \"c\\N d\"\n"
                      "e: \"\\uffff\"\n");
  RheoDeck again = Load(first);
  OK(RheoDeckGetText(again, &second));
  assert_string_equal(first, second);
  OK(RheoDeckRead(again, "train", train_keys, &train));
  assert_string_equal(train.file, "x\302\205 y");
  OK(RheoDeckDestroy(&deck));
  OK(RheoDeckDestroy(&again));
}

static void PetscOptionsGoToPetsc(void **state)
{
  (void)state;
  RheoDeck deck =
      Load("ts: {rk_type: 5dp, monitor: yes, adapt_clip: [0.1, 5]}\ntao_gatol: 1e-4\ntrain: {batch: 3}\n");
  PetscReal clip[2];
  char text[64];
  PetscBool set, has;
  PetscInt n = 2;
  OK(RheoDeckCheck(deck, N_SECTIONS, sections));
  OK(PetscOptionsGetString(NULL, NULL, "-ts_rk_type", text, sizeof text, &set));
  assert_true(set);
  assert_string_equal(text, "5dp");
  OK(PetscOptionsGetRealArray(NULL, NULL, "-ts_adapt_clip", clip, &n, &set));
  assert_true(set && n == 2 && clip[0] == 0.1 && clip[1] == 5);
  OK(PetscOptionsGetString(NULL, NULL, "-ts_monitor", text, sizeof text, &set));
  assert_true(set && !*text);
  OK(PetscOptionsGetString(NULL, NULL, "-tao_gatol", text, sizeof text, &set));
  assert_string_equal(text, "1e-4");
  OK(PetscOptionsHasName(NULL, NULL, "-train_batch", &has));
  assert_false(has);
  Arguments(deck, "-ts_rk_type 3bs");
  OK(RheoDeckLoadText(deck, "again.yaml", "ts: {rk_type: 4}"));
  OK(PetscOptionsGetString(NULL, NULL, "-ts_rk_type", text, sizeof text, &set));
  assert_string_equal(text, "3bs");
  OK(RheoDeckDestroy(&deck));
}

static void SchemaIsShownWithDefaultsAndRules(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  Capture capture = CaptureStart(STDOUT_FILENO, 0);
  OK(RheoSectionView(PETSC_COMM_WORLD, &sections[0]));
  OK(RheoSectionView(PETSC_COMM_WORLD, &sections[2]));
  char *text = CaptureEnd(&capture);
  assert_int_equal(CountLines(text, "train: training"), !rank);
  assert_int_equal(
      CountLines(text, "  train.epochs    int     10          [1, inf)                 passes over"), !rank);
  assert_int_equal(CountLines(text, "  train.file      text    -  "), !rank);
  assert_int_equal(CountLines(text, "  prior.*.type   text  required  "), !rank);
  free(text);
}

static void InternedTextsAreOne(void **state)
{
  (void)state;
  char text[32];
  const char *first[3000];
  for (int i = 0; i < 3000; ++i) {
    snprintf(text, sizeof text, "name %d", i);
    first[i] = RheoIntern(text);
  }
  for (int i = 0; i < 3000; ++i) {
    snprintf(text, sizeof text, "name %d", i);
    assert_ptr_equal(RheoIntern(text), first[i]);
    assert_string_equal(first[i], text);
  }
  assert_null(RheoIntern(NULL));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(DefaultsHold),
      cmocka_unit_test(ValuesOfEveryType),
      cmocka_unit_test(CommandLineWins),
      cmocka_unit_test(ChildrenKeepTheirOrder),
      cmocka_unit_test(BadTextsAreRejectedWithTheirLine),
      cmocka_unit_test(ListsAreLongButAliasesDoNotMultiply),
      cmocka_unit_test(BadValuesNameKeyRuleAndValue),
      cmocka_unit_test(UnknownKeysGetTheNearestKnown),
      cmocka_unit_test(MissingAndRejectedKeys),
      cmocka_unit_test(FilesAreReadOrRejected),
      cmocka_unit_test(TextLoadsToAnEqualDeck),
      cmocka_unit_test(AwkwardCharactersLoadToAnEqualDeck),
      cmocka_unit_test(PetscOptionsGoToPetsc),
      cmocka_unit_test(SchemaIsShownWithDefaultsAndRules),
      cmocka_unit_test(InternedTextsAreOne),
  };
  return RUN_TESTS(argc, argv, tests);
}
