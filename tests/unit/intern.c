/* Names when there is no memory for them: empty ones, an error from who reads decks and from a host's calls, and no end of the
 * program. */
#include "base/deck.h"
#include "host.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* ---- In the place of the C library's ---- */

enum { LARGE = 8192 }; /* as tables and chunks of names are */
static int is_full;
static _Thread_local int n_before = -1; /* pieces that this thread still gets; below 0 all */

static int refused(void)
{
  if (n_before > 0)
    n_before--;
  else if (n_before == 0)
    return 1;
  return 0;
}

void *calloc(size_t n, size_t size)
{
  void *(*volatile take)(size_t) = malloc; /* the compiler makes calloc of malloc and memset */
  const size_t bytes = n * size;
  if ((size && bytes / size != n) || (is_full && bytes >= LARGE) || refused()) return NULL;
  void *memory = take(bytes ? bytes : 1);
  return memory ? memset(memory, 0, bytes) : NULL;
}

void *realloc(void *old, size_t size)
{
  void *memory = refused() ? NULL : malloc(size ? size : 1);
  if (!memory) return NULL;
  const size_t had = old ? malloc_usable_size(old) : 0;
  if (had) memcpy(memory, old, had < size ? had : size);
  free(old);
  return memory;
}

char *strndup(const char *text, size_t most)
{
  const size_t n = strnlen(text, most);
  char *copy = refused() ? NULL : malloc(n + 1);
  if (!copy) return NULL;
  copy[n] = 0;
  return memcpy(copy, text, n);
}

char *strdup(const char *text)
{
  return strndup(text, strlen(text));
}

/* ---- Tests ---- */

static PetscErrorCode quiet_check(void)
{
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = RheoInternCheck();
  RheoErrorSetQuiet(PETSC_FALSE);
  return code;
}

static void names(void **state)
{
  const char *kept = RheoIntern("a name from before");
  char text[40];
  int n = 0;
  (void)state;
  is_full = 1;
  for (; n < 1000000; n++) {
    snprintf(text, sizeof text, "name %d", n);
    if (!*RheoIntern(text)) break;
  }
  assert_true(n < 1000000);
  assert_int_equal(quiet_check(), PETSC_ERR_MEM);
  assert_ptr_equal(RheoIntern("a name from before"), kept);
  assert_null(RheoIntern(NULL));
  is_full = 0;
  assert_int_equal(quiet_check(), PETSC_ERR_MEM); /* what was lost is lost */
  assert_true(RheoInternWasShort());
  assert_false(RheoInternWasShort());
  OK(RheoInternCheck());
  assert_string_equal(RheoIntern(text), text);
  OK(RheoInternCheck());
}

static void deck_of_many_names(void **state)
{
  enum { ITEMS = 50000 };
  char *text = malloc(16 * ITEMS), *end = text;
  RheoDeck deck;
  (void)state;
  end += sprintf(end, "list: [");
  for (int i = 0; i < ITEMS; i++) end += sprintf(end, "w%d, ", i);
  sprintf(end, "end]\n");
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  RheoErrorSetQuiet(PETSC_TRUE);
  is_full = 1;
  const PetscErrorCode code = RheoDeckLoadText(deck, "many", text);
  is_full = 0;
  RheoErrorSetQuiet(PETSC_FALSE);
  assert_int_equal(code, PETSC_ERR_MEM);
  assert_true(RheoInternWasShort());
  OK(RheoDeckDestroy(&deck));
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "many", text));
  OK(RheoDeckDestroy(&deck));
  free(text);
}

/* A deck with lists, sections and arguments, from its text to the values. */
static PetscErrorCode read_deck(RheoDeck deck)
{
  static const char text[] = "train: {batch: 3, layers: [lu, coupling], net: {size: 8}}\nts: {rtol: 1e-3}\n";
  static const char *const arguments[] = {"-train_layers", "actnorm,lu", "-train_net_size", "9",
                                          "-ts_atol",      "1e-4"};
  static const RheoKey keys[] = {{"batch", RHEO_KEY_INT, 0, "1", NULL, NULL},
                                 {"layers", RHEO_KEY_STRINGS, 16, NULL, NULL, NULL},
                                 {"rate", RHEO_KEY_REALS, 32, "1, 2", NULL, NULL},
                                 {0}};
  static const RheoKey net_keys[] = {{"size", RHEO_KEY_INT, 0, NULL, NULL, NULL}, {0}};
  static const RheoSection sections[] = {{"train", keys, NULL}, {"train.net", net_keys, NULL}};
  _Alignas(16) char config[64];
  PetscBool has;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckLoadText(deck, "small", text));
  PetscCall(RheoDeckSetArguments(deck, 6, arguments));
  PetscCall(RheoDeckSet(deck, "train.rate", "[3, 4]"));
  PetscCall(RheoDeckHas(deck, "train.more", &has));
  PetscCall(RheoDeckCheck(deck, 2, sections));
  PetscCall(RheoDeckRead(deck, "train", keys, config));
  PetscFunctionReturn(RHEO_OK);
}

/* Whichever piece of memory is the first that is not to be had. */
static void small_pieces(void **state)
{
  int n = 0;
  PetscErrorCode code = PETSC_ERR_MEM;
  (void)state;
  for (; code && n < 1000; n++) {
    RheoDeck deck;
    OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
    RheoErrorSetQuiet(PETSC_TRUE);
    n_before = n;
    code = read_deck(deck);
    n_before = -1;
    RheoErrorSetQuiet(PETSC_FALSE);
    if (code && code != PETSC_ERR_MEM)
      fail_msg("without piece %d: error %d: %s", n, (int)code, RheoErrorMessage());
    if (code) assert_non_null(strstr(RheoErrorMessage(), "no memory"));
    assert_int_equal(RheoInternWasShort(), code ? PETSC_TRUE : PETSC_FALSE);
    OK(RheoDeckDestroy(&deck));
  }
  assert_int_equal(code, RHEO_OK);
  assert_in_range(n, 30, 999);
}

static void host(void **state)
{
  rheo_feed *feed;
  (void)state;
  DONE(rheo_start());
  is_full = 1;
  const int code = rheo_feed_to_file(HostHandle(MPI_COMM_SELF), "intern.h5", "200000", "1", 1, &feed);
  is_full = 0;
  FAILS(code, RHEO_FAILURE, "out of memory");
  assert_null(feed);
  DONE(rheo_feed_to_file(HostHandle(MPI_COMM_SELF), "intern.h5", "200000", "1", 1, &feed));
  MISTAKE(rheo_feed_close(&feed, NULL), "no simulation was put");
  DONE(rheo_end());
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(deck_of_many_names),
                                     cmocka_unit_test(small_pieces), cmocka_unit_test(host)};
  return RUN_TESTS(argc, argv, tests);
}
