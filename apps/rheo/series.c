/* The series of a training, DIR/series.csv: its figure, and what it says. */
#include "verb.h"
#include <math.h>
#include <string.h>

/* Time over all turns of the latest training, in a unit that suits its length. */
typedef struct {
  int64_t first, n, n_turns;
  double *x, *mark, unit;
  const char *label;
} Axis;

static PetscErrorCode AxisCreate(const RheoSeries *series, Axis *axis)
{
  const int64_t first = RheoSeriesLatest(series), n = series->n - first;
  const double *turn = series->column[RHEO_SERIES_TURN], *seconds = series->column[RHEO_SERIES_SECONDS];
  double before = 0;

  PetscFunctionBeginUser;
  *axis = (Axis){.first = first, .n = n};
  PetscCall(PetscMalloc2(n, &axis->x, n, &axis->mark));
  for (int64_t i = 0; i < n; i++) {
    if (i && turn[first + i] != turn[first + i - 1]) {
      before = axis->x[i - 1];
      axis->mark[axis->n_turns++] = before;
    }
    axis->x[i] = before + seconds[first + i];
  }
  const double all = n ? axis->x[n - 1] : 0;
  axis->unit = all < 180 ? 1 : all < 3 * 3600 ? 60 : 3600;
  axis->label = all < 180        ? "training time (s)"
                : all < 3 * 3600 ? "training time (min)"
                                 : "training time (h)";
  for (int64_t i = 0; i < n; i++) axis->x[i] /= axis->unit;
  for (int64_t i = 0; i < axis->n_turns; i++) axis->mark[i] /= axis->unit;
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool AnyAbove(const double *value, int64_t n, double limit)
{
  for (int64_t i = 0; i < n; i++)
    if (value[i] > limit) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* 1000 times, or 100 times: a copy in another unit. */
static PetscErrorCode Scaled(const double *value, int64_t n, double by, double **out)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, out));
  for (int64_t i = 0; i < n; i++) (*out)[i] = value[i] * by;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlotSeries(Run *run, const RheoSeries *series)
{
  double *share[2], *rate;
  Axis axis;

  PetscFunctionBeginUser;
  PetscCall(AxisCreate(series, &axis));
  const double *column[RHEO_SERIES_COLUMNS];
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) column[k] = series->column[k] + axis.first;
  const PetscBool stage = AnyAbove(column[RHEO_SERIES_BATCH_STAGE], axis.n, 0.001);
  const PetscBool thousands = AnyAbove(column[RHEO_SERIES_SAMPLES_PER_S], axis.n, 9999);
  PetscCall(Scaled(column[RHEO_SERIES_SAMPLES_PER_S], axis.n, thousands ? 1e-3 : 1, &rate));
  PetscCall(Scaled(column[RHEO_SERIES_COMMUNICATION], axis.n, 100, &share[0]));
  PetscCall(Scaled(column[RHEO_SERIES_BATCH_STAGE], axis.n, 100, &share[1]));
  const RheoPanel panel[] = {
      {.label = "loss per sample (nats)",
       .curve = {"training", "validation"},
       .value = {column[RHEO_SERIES_TRAIN_LOSS], column[RHEO_SERIES_VALIDATION_LOSS]}},
      {.label = "learning rate", .value = {column[RHEO_SERIES_LR]}, .from_zero = PETSC_TRUE},
      {.label = "gradient norm", .value = {column[RHEO_SERIES_GRADIENT_NORM]}, .logarithmic = PETSC_TRUE},
      {.label = thousands ? "1000 samples per s" : "samples per s", .value = {rate}, .from_zero = PETSC_TRUE},
      {.label = stage ? "share of time (%)" : "communication (%)",
       .curve = {stage ? "communication" : NULL, "batch stage"},
       .value = {share[0], stage ? share[1] : NULL},
       .from_zero = PETSC_TRUE},
      {.label = "peak memory (MB)", .value = {column[RHEO_SERIES_MEMORY]}, .from_zero = PETSC_TRUE}};
  const RheoMultiples multiples = {.x_label = axis.label,
                                   .n = axis.n,
                                   .n_marks = axis.n_turns,
                                   .x = axis.x,
                                   .mark = axis.mark,
                                   .n_panels = sizeof panel / sizeof *panel,
                                   .panel = panel};
  PetscCall(RheoPlotMultiples(run->comm, run->config.output, "training", &multiples));
  PetscCall(PetscFree(rate));
  PetscCall(PetscFree(share[0]));
  PetscCall(PetscFree(share[1]));
  PetscCall(PetscFree2(axis.x, axis.mark));
  PetscFunctionReturn(RHEO_OK);
}

const char *SeriesPath(const char *file)
{
  char path[PETSC_MAX_PATH_LEN];
  const char *slash = strrchr(file, '/');
  snprintf(path, sizeof path, "%.*sseries.csv", slash ? (int)(slash - file + 1) : 0, file);
  return RheoIntern(path);
}

PetscErrorCode PlotTraining(Run *run, const RheoHistory *h, const char *path)
{
  RheoSeries series;
  const char *wrong;

  PetscFunctionBeginUser;
  PetscCall(
      RheoPlotLoss(run->comm, run->config.output, "loss", h->n, h->epoch, h->train_loss, h->validation_loss));
  PetscCall(RheoSeriesRead(run->comm, path, &series, &wrong));
  if (series.n > 1) PetscCall(PlotSeries(run, &series));
  PetscCall(RheoSeriesFree(&series));
  PetscFunctionReturn(RHEO_OK);
}
