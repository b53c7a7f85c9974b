/* A simulation code that has Rheo in it.
 *   host simulate data.h5 [N]            all ranks simulate; the pairs go to a data set
 *   host train deck.yaml model.h5 [N]    the last rank trains on what the others simulate; no file in between
 *   host ask model.h5                    the posterior of an observation, each rank drawing its share
 */
#include <math.h>
#include <mpi.h>
#include <rheo_embed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = 2, C = 5, SAMPLES = 4000 };

/* Every call of Rheo goes through this: the library only reports, the host decides. */
static void check(int code)
{
  if (code == RHEO_DONE) return;
  fprintf(stderr, "host: %s\n", rheo_error());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* ---- The simulation ---- */

/* A number in (0, 1) that belongs to draw k of simulation i, whatever rank computes it. */
static double uniform(long long i, int k)
{
  uint64_t z = (uint64_t)i * 1000 + (uint64_t)k + 1;
  z *= 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

/* The prior's draw and its readings; the prior is that of decay.yaml. */
static void simulate(long long i, double theta[D], double x[C])
{
  theta[0] = 0.5 + 1.5 * uniform(i, 0);
  theta[1] = 0.1 + 0.9 * uniform(i, 1);
  for (int t = 0; t < C; t++) {
    const double noise =
        sqrt(-2 * log(uniform(i, 2 + 2 * t))) * cos(6.283185307179586 * uniform(i, 3 + 2 * t));
    x[t] = theta[0] * exp(-theta[1] * t) + 0.05 * noise;
  }
}

/* Simulations begin, begin + step, ... below n. */
static void simulate_into(rheo_feed *feed, long long begin, long long step, long long n)
{
  double theta[D], x[C];
  for (long long i = begin; i < n; i += step) {
    simulate(i, theta, x);
    check(rheo_feed_put(feed, i, theta, x, 0));
  }
}

/* ---- What Rheo is for ---- */

static void to_file(int rank, int size, const char *path, long long n)
{
  rheo_feed *feed;
  int64_t rows;
  check(rheo_feed_to_file((int)MPI_Comm_c2f(MPI_COMM_WORLD), path, "amplitude, rate", "5", 256, &feed));
  simulate_into(feed, rank, size, n);
  check(rheo_feed_close(&feed, &rows));
  if (rank == 0) printf("simulations: %lld\n", (long long)rows);
}

static void to_trainer(int rank, int size, const char *deck, const char *model, long long n)
{
  const int is_trainer = rank == size - 1;
  rheo_feed *feed;
  int64_t rows;
  check(rheo_feed_to_trainers((int)MPI_Comm_c2f(MPI_COMM_WORLD), is_trainer, "amplitude, rate", "5", 256,
                              &feed));
  if (is_trainer) {
    check(rheo_feed_train(feed, deck, model, &rows));
    printf("trained_on: %lld\n", (long long)rows);
  } else {
    simulate_into(feed, rank, size - 1, n);
  }
  check(rheo_feed_close(&feed, NULL));
}

/* Amplitude 1, rate 0.5, read without noise. Sample i is the same whichever rank draws it. */
static void ask(int rank, int size, const char *path)
{
  double x[C], theta[D], log_prob, sum[2 * D] = {0}, all[2 * D];
  rheo_workspace *workspace; /* one for each thread */
  rheo_model *model;
  for (int t = 0; t < C; t++) x[t] = exp(-0.5 * t);
  check(rheo_model_load((int)MPI_Comm_c2f(MPI_COMM_WORLD), path, &model));
  check(rheo_workspace_create(model, &workspace));
  const double start = MPI_Wtime();
  for (int i = rank; i < SAMPLES; i += size) {
    check(rheo_sample(model, workspace, x, 1, i, 1, theta, &log_prob));
    for (int k = 0; k < D; k++) {
      sum[k] += theta[k] / SAMPLES;
      sum[D + k] += theta[k] * theta[k] / SAMPLES;
    }
  }
  const double seconds = MPI_Wtime() - start;
  MPI_Reduce(sum, all, 2 * D, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    for (int k = 0; k < D; k++)
      printf("%s: {mean: %.4f, sd: %.4f}\n", rheo_model_parameter_name(model, k), all[k],
             sqrt(all[D + k] - all[k] * all[k]));
    fprintf(stderr, "host: %.1f microseconds a sample\n", seconds * 1e6 * size / SAMPLES);
  }
  check(rheo_workspace_destroy(&workspace));
  check(rheo_model_destroy(&model));
}

int main(int argc, char **argv)
{
  int rank, size;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  check(rheo_start());
  if (argc >= 3 && !strcmp(argv[1], "simulate")) {
    to_file(rank, size, argv[2], argc > 3 ? atoll(argv[3]) : 4000);
  } else if (argc >= 4 && !strcmp(argv[1], "train")) {
    to_trainer(rank, size, argv[2], argv[3], argc > 4 ? atoll(argv[4]) : 4000);
  } else if (argc >= 3 && !strcmp(argv[1], "ask")) {
    ask(rank, size, argv[2]);
  } else {
    if (rank == 0)
      fprintf(stderr, "usage: host simulate DATA.h5 [N] | train DECK MODEL.h5 [N] | ask MODEL.h5\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  check(rheo_end());
  MPI_Finalize();
  return 0;
}
