/* Optimal assignments as couplings need them, against SciPy's linear_sum_assignment. */
#include "bench.h"
#include <cnf/assignment.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  int64_t n;
  int d, circle; /* from a normal to eight Gaussians on a circle, or to a normal */
} Cases[] = {{"circle_256", 256, 2, 1},   {"circle_1024", 1024, 2, 1},    {"normal_256", 256, 2, 0},
             {"normal_1024", 1024, 2, 0}, {"normal_10d_256", 256, 10, 0}, {"normal_10d_1024", 1024, 10, 0}};
enum { N_CASES = sizeof Cases / sizeof *Cases, DRAWS = 5 };

/* As tests/bench/peer_assignment.py draws them. */
static void Draw(int64_t n, int d, int circle, int draw, float *x0, float *x1)
{
  RheoStreamFillNormal(1, RHEO_STREAM_TEST, (uint32_t)(2 * draw), (size_t)n, NULL, 0, (size_t)d, x0);
  RheoStreamFillNormal(1, RHEO_STREAM_TEST, (uint32_t)(2 * draw + 1), (size_t)n, NULL, 0, (size_t)d, x1);
  RheoStream stream = RheoStreamMake(2, RHEO_STREAM_TEST, (uint32_t)draw, 0);
  for (int64_t i = 0; circle && i < n; i++) {
    const double angle = M_PI / 4 * (double)RheoStreamInteger(&stream, 8);
    x1[i * d] = 0.3f * x1[i * d] + 5 * (float)cos(angle);
    x1[i * d + 1] = 0.3f * x1[i * d + 1] + 5 * (float)sin(angle);
  }
}

/* Seconds for an assignment, given its costs: of each of some draws the best of several turns, and the mean of these. */
static PetscErrorCode Time(int64_t n, int d, int circle, double seconds, double *mean)
{
  double *cost;
  float *x0, *x1;
  int32_t *column;

  PetscFunctionBeginUser;
  *mean = 0;
  PetscCall(PetscMalloc4(n * d, &x0, n * d, &x1, n * n, &cost, n, &column));
  for (int draw = 0; draw < DRAWS; draw++) {
    const double start = MPI_Wtime();
    double best = INFINITY;
    Draw(n, d, circle, draw, x0, x1);
    RheoSquaredDistances(n, n, d, x0, x1, cost);
    do {
      const double begin = MPI_Wtime();
      PetscCall(RheoAssign(n, cost, column, NULL));
      best = PetscMin(best, MPI_Wtime() - begin);
    } while (MPI_Wtime() - start < seconds / DRAWS);
    *mean += best / DRAWS;
  }
  PetscCall(PetscFree4(x0, x1, cost, column));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchAssignment(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  PetscMPIInt rank;
  double worst = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  RheoYamlOpen(yaml, "assignment");
  for (int k = 0; k < N_CASES; k++) {
    const double seconds = config->seconds / N_CASES;
    char arguments[64], line[256], peer[64] = "not measured (no SciPy: Debian has it as python3-scipy)";
    double mine, theirs = 0;
    int used = 0;
    PetscCall(Time(Cases[k].n, Cases[k].d, Cases[k].circle, seconds, &mine));
    snprintf(arguments, sizeof arguments, "%d %d %d %g", (int)Cases[k].n, Cases[k].d, Cases[k].circle,
             seconds);
    if (BenchPeer(config, "peer_assignment.py", "scipy", arguments, line) &&
        sscanf(line, "%lf %n", &theirs, &used) >= 1)
      snprintf(peer, sizeof peer, "%s", line + used);
    RheoYamlOpen(yaml, Cases[k].name);
    RheoYamlReal(yaml, "milliseconds", mine * 1e3);
    RheoYamlText(yaml, "peer", peer);
    if (theirs > 0) {
      RheoYamlReal(yaml, "peer_milliseconds", theirs * 1e3);
      RheoYamlReal(yaml, "ratio", mine / theirs);
      worst = PetscMax(worst, mine / theirs);
    }
    RheoYamlClose(yaml);
  }
  if (worst > 0) RheoYamlReal(yaml, "ratio", worst);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
