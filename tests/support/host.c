#include "host.h"
#include "base/random.h"

const double HostObserved[C] = {1.2, 0.4, 3};

int HostHandle(MPI_Comm comm)
{
  return (int)MPI_Comm_c2f(comm);
}

int HostWorld(void)
{
  return HostHandle(MPI_COMM_WORLD);
}

int HostRank(MPI_Comm comm, int *size)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, size);
  return rank;
}

void HostSimulate(int64_t i, double theta[D], double x[C])
{
  RheoStream stream = RheoStreamMake(5, RHEO_STREAM_TEST, 0, (uint64_t)i);
  theta[0] = 1 + 2 * RheoStreamNormal(&stream);
  theta[1] = 0.2 + 3 * RheoStreamUniform(&stream);
  for (int k = 0; k < C; k++) x[k] = theta[0] + k * theta[1] + 0.3 * RheoStreamNormal(&stream);
}

void HostWriteDeck(const char *path, const char *text)
{
  int size;
  if (HostRank(MPI_COMM_WORLD, &size) == 0) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

RheoPosterior HostTrained(const char *text, int64_t n, const double *theta, const double *x, const char *path)
{
  RheoPosterior posterior;
  RheoDeck deck;
  char name[200];
  snprintf(name, sizeof name, "%s.yaml", path);
  HostWriteDeck(name, text);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadFile(deck, name));
  OK(RheoPosteriorCreate(deck, C, &posterior));
  OK(RheoPosteriorTrain(posterior, n, theta, x, NULL));
  OK(RheoPosteriorSave(posterior, path));
  return posterior;
}

void HostSameFiles(const char *one, const char *other)
{
  FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
  int x = 0, y = 0;
  long n = -1;
  assert_true(a && b);
  for (; x == y && x != EOF; n++) {
    x = getc(a);
    y = getc(b);
  }
  if (x != y) fail_msg("%s and %s differ after %ld bytes", one, other, n);
  assert_true(n > 1000);
  fclose(a);
  fclose(b);
}
