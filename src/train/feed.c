#include "../base/random.h"
#include "train_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Noise inputs have a stream each: the low byte is the purpose of random.h, the rest counts the noise inputs.
 */
static uint32_t NoisePurpose(int place)
{
  return RHEO_STREAM_NOISE + ((uint32_t)(place + 1) << 8);
}

static int FindColumn(const RheoRowLayout *layout, const char *name)
{
  for (int k = 0; k < layout->n_columns; k++)
    if (!strcmp(layout->name[k], name)) return k;
  return -1;
}

PetscErrorCode RheoFeedCreate(RheoProgram program, const RheoRowLayout *layout, int64_t capacity,
                              RheoFeed *feed)
{
  int n_noise = 0;

  PetscFunctionBeginUser;
  *feed = (RheoFeed){.n = RheoProgramInputCount(program), .capacity = capacity};
  PetscCall(PetscCalloc1((size_t)feed->n, &feed->input));
  for (int i = 0; i < feed->n; i++) {
    RheoFeedInput *input = &feed->input[i];
    const char *name = RheoProgramInputName(program, i);
    PetscCheck(RheoProgramInputIsRows(program, i), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
               "input '%s' of the loss is not row-wise; training cannot fill it", name);
    input->width = RheoProgramInputShape(program, i).d[1];
    input->noise = RheoProgramInputKind(program, i);
    if (input->noise != RHEO_INPUT_DATA) {
      input->kind = RHEO_FEED_NOISE;
      input->purpose = NoisePurpose(n_noise++);
    } else if (!strcmp(name, RHEO_FEED_WEIGHT_NAME)) {
      input->kind = RHEO_FEED_WEIGHT;
    } else if (!strcmp(name, RHEO_FEED_GIVEN_NAME)) {
      input->kind = RHEO_FEED_GIVEN;
    } else {
      input->kind = RHEO_FEED_COLUMN;
      input->column = FindColumn(layout, name);
      PetscCheck(input->column >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
                 "input '%s' of the loss is not a column", name);
    }
    PetscCall(RheoTrainAllocate((size_t)capacity * (size_t)input->width, &input->value));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFeedDestroy(RheoFeed *feed)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < feed->n; i++) free(feed->input[i].value);
  PetscCall(PetscFree(feed->input));
  *feed = (RheoFeed){0};
  PetscFunctionReturn(RHEO_OK);
}

static void FillColumn(const RheoFeedSource *source, int offset, size_t width, float *value)
{
  const size_t size = (size_t)source->layout->size;
  for (int64_t i = 0; i < source->n; i++)
    memcpy(value + (size_t)i * width,
           source->record + (size_t)PetscMin(i, source->n_real - 1) * size + offset, width * sizeof(float));
}

static void FillWeight(const RheoFeedSource *source, float *value)
{
  const RheoRowLayout *layout = source->layout;
  for (int64_t i = 0; i < source->n_real; i++)
    value[i] = layout->weight >= 0 ? source->record[i * layout->size + layout->weight] : 1;
  for (int64_t i = source->n_real; i < source->n; i++) value[i] = 0;
}

static void FillGiven(const float *given, size_t width, int64_t n, int64_t n_real, float *value)
{
  memcpy(value, given, (size_t)n_real * width * sizeof(float));
  for (int64_t i = n_real; i < n; i++)
    memcpy(value + (size_t)i * width, given + (size_t)(n_real - 1) * width, width * sizeof(float));
}

/* Place i of the batch lies in [i/n, (i + 1)/n). In double, then below 1 as all uniform numbers. */
static void Stratify(int64_t place, int64_t batch, int64_t n, float *u)
{
  for (int64_t i = 0; i < n; i++)
    u[i] = fminf((float)(((double)(place + i) + (double)u[i]) / (double)batch), 1 - 0x1p-24F);
}

/* Places of either half share a number; where the rows are odd in number the last one has its own. */
static void FillAntithetic(const RheoFeedInput *input, const RheoFeedSource *source, int64_t n)
{
  const int64_t half = source->batch / 2;

  for (int64_t i = 0, n_run; i < n; i += n_run) {
    const int64_t place = source->place + i;
    const int mirrored = place >= half && place < 2 * half;
    const int64_t end = place < half ? half : (mirrored ? 2 * half : source->batch);
    float *u = input->value + i;
    n_run = PetscMin(n - i, end - place);
    RheoStreamFillUniform(source->seed, input->purpose, (uint32_t)source->step, (size_t)n_run, NULL,
                          (uint64_t)(mirrored ? place - half : place), 1, u);
    for (int64_t k = 0; mirrored && k < n_run; k++) u[k] = 1 - u[k]; /* exact: u is a multiple of 2^-24 */
  }
}

/* Numbers that belong to places, not to rows; what fills up the feed repeats the last one. */
static void FillByPlace(const RheoFeedInput *input, const RheoFeedSource *source)
{
  const int64_t n = source->n_real;

  if (input->noise == RHEO_INPUT_NOISE_ANTITHETIC)
    FillAntithetic(input, source, n);
  else {
    RheoStreamFillUniform(source->seed, input->purpose, (uint32_t)source->step, (size_t)n, NULL,
                          (uint64_t)source->place, 1, input->value);
    Stratify(source->place, source->batch, n, input->value);
  }
  for (int64_t i = n; i < source->n; i++) input->value[i] = input->value[n - 1];
}

static void FillNoise(const RheoFeedInput *input, const RheoFeedSource *source)
{
  const size_t n = (size_t)source->n_real, width = (size_t)input->width;

  if (input->noise == RHEO_INPUT_NOISE_UNIFORM)
    RheoStreamFillUniform(source->seed, input->purpose, (uint32_t)source->step, n, source->index, 0, width,
                          input->value);
  else if (input->noise == RHEO_INPUT_NOISE_NORMAL)
    RheoStreamFillNormal(source->seed, input->purpose, (uint32_t)source->step, n, source->index, 0, width,
                         input->value);
  else {
    FillByPlace(input, source);
    return;
  }
  for (size_t i = n; i < (size_t)source->n; i++)
    memcpy(input->value + i * width, input->value + (n - 1) * width, width * sizeof(float));
}

void RheoFeedFill(RheoFeed *feed, const RheoFeedSource *source)
{
  for (int k = 0; k < feed->n; k++) {
    RheoFeedInput *input = &feed->input[k];
    switch (input->kind) {
    case RHEO_FEED_COLUMN:
      FillColumn(source, source->layout->offset[input->column], (size_t)input->width, input->value);
      break;
    case RHEO_FEED_WEIGHT:
      FillWeight(source, input->value);
      break;
    case RHEO_FEED_GIVEN:
      FillGiven(source->given, (size_t)input->width, source->n, source->n_real, input->value);
      break;
    case RHEO_FEED_NOISE:
      FillNoise(input, source);
      break;
    }
  }
}

void RheoFeedGet(const RheoFeed *feed, int64_t first, const void **in)
{
  for (int k = 0; k < feed->n; k++)
    in[k] = feed->input[k].value + (size_t)first * (size_t)feed->input[k].width;
}
