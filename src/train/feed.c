#include "../base/random.h"
#include "train_impl.h"
#include <string.h>

/* Noise inputs have a stream each: the low byte is the purpose of random.h, the rest counts the noise inputs.
 */
static uint32_t NoisePurpose(int place)
{
  return RHEO_STREAM_NOISE + ((uint32_t)(place + 1) << 8);
}

static int FindColumn(const RheoRows *rows, const char *name)
{
  for (int k = 0; k < rows->n_columns; k++)
    if (!strcmp(rows->name[k], name)) return k;
  return -1;
}

PetscErrorCode RheoFeedCreate(RheoProgram program, const RheoRows *rows, int64_t capacity, RheoFeed *feed)
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
    } else {
      input->kind = RHEO_FEED_COLUMN;
      input->column = FindColumn(rows, name);
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

static void FillColumn(const float *column, size_t width, int64_t n, const uint64_t *index, float *value)
{
  for (int64_t i = 0; i < n; i++)
    memcpy(value + (size_t)i * width, column + index[i] * width, width * sizeof(float));
}

void RheoFeedFill(RheoFeed *feed, const RheoRows *rows, uint64_t seed, uint32_t step, int64_t n,
                  int64_t n_real, const uint64_t *index)
{
  for (int k = 0; k < feed->n; k++) {
    RheoFeedInput *input = &feed->input[k];
    size_t width = (size_t)input->width;
    switch (input->kind) {
    case RHEO_FEED_COLUMN:
      FillColumn(rows->value[input->column], width, n, index, input->value);
      break;
    case RHEO_FEED_WEIGHT:
      for (int64_t i = 0; i < n_real; i++) input->value[i] = rows->weight ? rows->weight[index[i]] : 1;
      for (int64_t i = n_real; i < n; i++) input->value[i] = 0;
      break;
    case RHEO_FEED_NOISE:
      if (input->noise == RHEO_INPUT_NOISE_UNIFORM)
        RheoStreamFillUniform(seed, input->purpose, step, (size_t)n, index, 0, width, input->value);
      else
        RheoStreamFillNormal(seed, input->purpose, step, (size_t)n, index, 0, width, input->value);
      break;
    }
  }
}

void RheoFeedGet(const RheoFeed *feed, int64_t first, const void **in)
{
  for (int k = 0; k < feed->n; k++)
    in[k] = feed->input[k].value + (size_t)first * (size_t)feed->input[k].width;
}
