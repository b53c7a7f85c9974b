/* Data sets that a model learns from without a prior and a simulator: a toy distribution or a file. Deck:
 *   target: {toy: moons, n: 10k, condition: class}
 *   target: {file: cells.csv, columns: [pc1, pc2], condition_columns: [day], classes: 3, test: 0.1}
 *   target: {file: cells.h5, test_file: others.h5}
 *
 * Conditions are columns that a model is conditional on. With `classes` there is one, a number from 0 on; a network sees two
 * classes as one number and more of them as indicators.
 */
#pragma once
#include "../io/reader.h"
#include "toy.h"

typedef struct RheoDataSet_ *RheoDataSet;

/* Keys of a section that holds a data set: those of files and of all toys. Not collective. */
PetscErrorCode RheoDataSetGetKeys(const RheoKey **keys);

/* Reads the section at prefix; of a file, where `columns` does not name them, its columns too. set tells apart data sets of one
 * seed. The deck must stay. Collective on the deck. */
PetscErrorCode RheoDataSetCreate(RheoDeck deck, const char *prefix, uint32_t set, uint64_t seed,
                                 RheoDataSet *data);
PetscErrorCode RheoDataSetDestroy(RheoDataSet *data);
/* Looks once through the rows of a file, unless that is done; those who ask for rows, or for how many there are, call it
 * first. A file without the columns, numbers that
 * are not finite, a class that no row has, more classes than rows are RHEO_ERR_INPUT. Collective on the deck. */
PetscErrorCode RheoDataSetRead(RheoDataSet data);
/* Before a training: a class of which a toy draws no row to train on is RHEO_ERR_INPUT, as Read has it of a file. Collective. */
PetscErrorCode RheoDataSetCheckClasses(RheoDataSet data);
/* Writes into the deck what it leaves to the file or the run: the absolute path, the names of the columns and the seed that says
 * which rows are held back. A model that carries that deck finds the file from anywhere, needs none to be asked for samples, and
 * holds the same rows back under whatever seed it is asked with. Collective on the deck. */
PetscErrorCode RheoDataSetPin(RheoDataSet data);

int RheoDataSetSize(RheoDataSet data);        /* D */
int RheoDataSetConditions(RheoDataSet data);  /* columns of condition */
int RheoDataSetContextSize(RheoDataSet data); /* C: what a network is given for them */
int RheoDataSetClasses(RheoDataSet data);     /* 0 where the condition is no class */
const char *RheoDataSetName(RheoDataSet data, int k);
const char *RheoDataSetConditionName(RheoDataSet data, int k);
RheoToy RheoDataSetToy(RheoDataSet data); /* borrowed; NULL for a file */

/* Rows first .. first + n - 1 of those to train on, which may differ between ranks: x (n, D), condition (n, conditions) or
 * NULL. Rows of a file are read for the call and kept by nobody. Collective on the deck. */
int64_t RheoDataSetCount(RheoDataSet data);
PetscErrorCode RheoDataSetTraining(RheoDataSet data, int64_t first, int64_t n, double *x, double *condition);

/* How training can read the same rows of an HDF5 file whenever it needs them: the reader, borrowed, NULL of a toy and of text; its
 * blocks that hold columns (at most RHEO_TABLE_BLOCKS). After Read. Not collective. */
RheoReader RheoDataSetReader(RheoDataSet data, int *n_blocks, int *block);
int RheoDataSetStreaming(RheoDataSet data); /* the key `stream`: RheoStreaming */
/* Of n rows that stand in the file at place (n), in those blocks: record (n, D + C) as a network sees them, and whether they are
 * rows to train on. Not collective; from any thread. */
void RheoDataSetRecords(RheoDataSet data, int64_t n, const int64_t *place, const double *const *block,
                        float *record, unsigned char *trained);

/* Rows that were held back from training: of a file a fraction `test`, keyed by `split` and row, or the rows of `test_file`; of a
 * toy as many fresh draws as one likes. first .. first + n - 1 of them, the same on every rank; those of a file begin again at
 * its end. Collective on the deck. */
int64_t RheoDataSetTestCount(RheoDataSet data); /* INT64_MAX of a toy */
PetscErrorCode RheoDataSetTest(RheoDataSet data, int64_t first, int64_t n, double *x, double *condition);

/* condition (n, conditions) -> context (n, C). NaN for a class that does not exist. Not collective. */
void RheoDataSetContext(RheoDataSet data, int64_t n, const double *condition, double *context);
