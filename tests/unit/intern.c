/* Names when there is no memory for them: empty ones, an error from who reads decks and from a host's calls, and no end of the
 * program. */
#include "base/deck.h"
#include "host.h"
#include <stdlib.h>

/* ---- In the place of the C library's ---- */

enum { LARGE = 8192 }; /* as tables and chunks of names are */
static int is_full;

void *calloc(size_t n, size_t size)
{
  void *(*volatile take)(size_t) = malloc; /* the compiler makes calloc of malloc and memset */
  const size_t bytes = n * size;
  if ((size && bytes / size != n) || (is_full && bytes >= LARGE)) return NULL;
  void *memory = take(bytes ? bytes : 1);
  return memory ? memset(memory, 0, bytes) : NULL;
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
                                     cmocka_unit_test(host)};
  return RUN_TESTS(argc, argv, tests);
}
