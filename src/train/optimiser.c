#include "kernels/optimise.h"
#include "train_impl.h"
#include <math.h>

static size_t Least(size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t BlockEnd(size_t i)
{
  return (i / RHEO_REDUCE_BLOCK + 1) * RHEO_REDUCE_BLOCK;
}

/* Counts the pieces where piece is NULL. Neighbours that are treated alike are joined, so that a layer's bias
 * does not cost a piece where there is no weight decay to tell it from the weights. */
static int FindPieces(RheoParams params, int with_decay, size_t begin, size_t end, RheoPiece *piece)
{
  int n = 0, last_decay = 0;
  size_t last_end = 0;
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    if (view->init.frozen) continue;
    size_t from = view->offset > begin ? view->offset : begin, to = Least(view->offset + view->size, end),
           cut;
    for (; from < to; from = cut) {
      int decay = with_decay && !view->init.no_decay;
      cut = Least(to, BlockEnd(from));
      if (n > 0 && last_end == from && from % RHEO_REDUCE_BLOCK && last_decay == decay) {
        if (piece) piece[n - 1].end = cut;
      } else {
        if (piece) piece[n] = (RheoPiece){from, cut, decay};
        n++;
      }
      last_end = cut;
      last_decay = decay;
    }
  }
  return n;
}

PetscErrorCode RheoOptimiserCreate(RheoParams params, int with_decay, size_t begin, size_t end,
                                   RheoOptimiser *optimiser)
{
  PetscFunctionBeginUser;
  *optimiser = (RheoOptimiser){.begin = begin, .end = end};
  optimiser->n_pieces = FindPieces(params, with_decay, begin, end, NULL);
  PetscCall(PetscMalloc2((size_t)optimiser->n_pieces, &optimiser->piece,
                         (end - begin + RHEO_REDUCE_BLOCK - 1) / RHEO_REDUCE_BLOCK, &optimiser->partial));
  FindPieces(params, with_decay, begin, end, optimiser->piece);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoOptimiserDestroy(RheoOptimiser *optimiser)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(optimiser->piece, optimiser->partial));
  *optimiser = (RheoOptimiser){0};
  PetscFunctionReturn(RHEO_OK);
}

void RheoOptimiserNorms(RheoOptimiser *optimiser, const float *g)
{
  size_t n = optimiser->end - optimiser->begin;
  for (size_t i = 0, block = 0; i < n; i += RHEO_REDUCE_BLOCK, block++)
    optimiser->partial[block] = sum_of_squares(Least(RHEO_REDUCE_BLOCK, n - i), g + i);
}

void RheoOptimiserStep(const RheoOptimiser *optimiser, const RheoTrainConfig *config, int64_t update,
                       double lr, double scale, const float *g, float *p, float *m, float *v)
{
  double t = (double)update;
  adamw_constants c = {.scale = (float)scale,
                       .beta1 = (float)config->beta1,
                       .rest1 = (float)(1 - config->beta1),
                       .beta2 = (float)config->beta2,
                       .rest2 = (float)(1 - config->beta2),
                       .step = (float)(lr / (1 - pow(config->beta1, t))),
                       .root = (float)(1 / sqrt(1 - pow(config->beta2, t))),
                       .epsilon = (float)config->epsilon};
  for (int k = 0; k < optimiser->n_pieces; k++) {
    const RheoPiece *piece = &optimiser->piece[k];
    size_t at = piece->begin - optimiser->begin;
    c.keep = piece->decay ? (float)(1 - lr * config->decay) : 1;
    adamw_update(c, piece->end - piece->begin, g + at, p + at, m + at, v + at);
  }
}

void RheoOptimiserAverage(const RheoOptimiser *optimiser, double ema, int64_t update, const float *p,
                          float *average)
{
  double t = (double)update, decay = fmin(ema, (1 + t) / (10 + t));
  size_t n = optimiser->end - optimiser->begin;
  for (size_t i = 0; i < n; i += RHEO_REDUCE_BLOCK)
    average_update((float)(1 - decay), Least(RHEO_REDUCE_BLOCK, n - i), p + i, average + i);
}
