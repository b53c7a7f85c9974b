/* Rheo inside a simulation code: the interface for hosts in C, Fortran (rheo.f90) and whatever calls C.
 *
 * A host does three things with it: it asks a trained model for samples and densities, in microseconds and from any thread; it
 * hands on simulations as it makes them, into a data set or to ranks that train; and it learns of mistakes by codes. Nothing
 * here ends the program, prints to stdout, or leaves the host's error handlers (MPI's, PETSc's, GSL's, HDF5's), signal handlers,
 * numbers of threads, PETSc options or floating-point environment other than they were.
 *
 * MPI and PETSc may be running already or not. Communicators are Fortran handles: MPI_Comm_c2f(comm) in C, comm or
 * comm%MPI_VAL in Fortran. Strings end with a zero byte. Every function that returns an int returns one of the codes below
 * and, where that is not RHEO_DONE, leaves a message in rheo_error. Where a collective call has no memory, or was called wrongly, on
 * one rank, it fails on all, which hear that it was another one; but for training itself, where what fails on one rank may fail on
 * that rank only: a host should then bring all of them down together. What a call sets through a pointer (a model, a
 * workspace, a feed, a number of rows) is NULL or 0 after a failure, whatever it was before. Mistakes of MPI within the library,
 * on its copies of communicators, are such codes too.
 *
 * Threads: all calls but rheo_sample and rheo_log_prob of discrete flows take turns within a process, with one lock, and need
 * MPI_THREAD_SERIALIZED at least where more than one thread makes them. A collective call keeps its turn while it waits for the
 * other ranks (rheo_start, rheo_end, loading, opening, closing, training); rheo_feed_put does not, while it waits for trainers. So
 * threads may put into feeds of their own at the same time, but collective calls have to be made in one order on all ranks, on
 * whatever communicators they are, as if one thread made them: with two threads that close two feeds, one rank may wait in the
 * first for another that waits in the second.
 */
#ifndef RHEO_EMBED_H
#define RHEO_EMBED_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RHEO_EMBED_ABI 1

enum {
  RHEO_DONE = 0,
  RHEO_FAILURE = 1, /* ours, or the machine's: memory, disk */
  RHEO_INPUT = 2,   /* the caller's mistake, or its user's */
  RHEO_BUSY = 4     /* rheo_feed_try_put: not now */
};

/* ---- Start and end ---- */
int rheo_embed_abi(void); /* of the library; a host compares it with RHEO_EMBED_ABI */

/* Counted: as many ends as starts. The last end ends MPI and PETSc where the first start began them; models and feeds have to be
 * gone by then. Collective on MPI_COMM_WORLD. */
int rheo_start(void);
int rheo_end(void);

/* The message of the last call on this thread that did not return RHEO_DONE; never NULL. */
const char *rheo_error(void);
/* The same into text (size), cut where it does not fit, filled up with blanks and a zero byte at the end: for Fortran. */
void rheo_error_text(char *text, int size);

/* ---- A trained model ---- */
typedef struct rheo_model rheo_model;
typedef struct rheo_workspace rheo_workspace;

/* A file of `rheo train` or `rheo infer`. Collective on comm. A model is constant afterwards; all threads may use it. */
int rheo_model_load(int comm, const char *path, rheo_model **model);
/* Sets *model to NULL. Collective on nothing; after all workspaces. */
int rheo_model_destroy(rheo_model **model);
int rheo_model_parameters(const rheo_model *model); /* D */
int rheo_model_data(const rheo_model *model);       /* C */
const char *rheo_model_parameter_name(const rheo_model *model,
                                      int k); /* k from 0; NULL beyond; the model's */

/* One for each thread that asks. Not collective. */
int rheo_workspace_create(const rheo_model *model, rheo_workspace **workspace);
int rheo_workspace_destroy(rheo_workspace **workspace); /* sets it to NULL */

/* Samples first .. first + n - 1 of the posterior of observation x (C): theta (n, D), C order, in Fortran theta(D, n); log_prob
 * (n), their log-densities, or NULL. Sample i is a pure function of model, x, seed and i: the same on any rank and thread and in
 * any call, and the same as `rheo sample` gives. Seed and numbers are 0 or more. Not collective.
 *
 * Models of discrete flows (npe): no allocation, no call of MPI or PETSc; any number of threads at once. Models of continuous
 * flows (fmpe): PETSc solves, threads take turns, MPI has to have been started for the threads that call
 * (MPI_THREAD_SERIALIZED), and with adaptive steps whether log_prob is asked for is felt within the solver's tolerance; a sample that
 * cannot be followed to the end, for data that are far from any simulation, is NaN. */
int rheo_sample(const rheo_model *model, rheo_workspace *workspace, const double *x, int64_t seed,
                int64_t first, int n, double *theta, double *log_prob);
/* log_prob (n) of theta (n, D) given x (C); -infinity outside the prior. As rheo_sample. */
int rheo_log_prob(const rheo_model *model, rheo_workspace *workspace, const double *x, int n,
                  const double *theta, double *log_prob);

/* ---- Simulations on their way to Rheo ---- */
typedef struct rheo_feed rheo_feed;

/* parameters, data: names between commas ("beta, gamma"), or a number n of names x1 .. xn; each name once in its list. Each rank holds
 * `capacity` rows in memory, at least 1; capacity may differ between ranks, names may not. A feed belongs to one thread at a time.
 *
 * Into a file: a data set as of `rheo simulate`, for `rheo train DECK -data_file PATH`. What is more than capacity waits in
 * unnamed files in the folder of path. Rows stand in the order of their indices, so that the file is the same byte by byte however
 * many ranks put them. When it is closed a rank needs 16 to 18 bytes for each row besides. Collective on comm. */
int rheo_feed_to_file(int comm, const char *path, const char *parameters, const char *data, int capacity,
                      rheo_feed **feed);

/* To ranks that train: those of comm with is_trainer other than 0, at least one, and not all. They call rheo_feed_train; the
 * others put. Rows travel in messages that wait until a trainer takes them: while capacity rows are on the way,
 * rheo_feed_put waits and rheo_feed_try_put returns RHEO_BUSY. Each trainer keeps the rows that it is sent, all of them about the
 * same number, and trains with as many: of n rows of D + C numbers, 8 (D + C + 2) n bytes over the number of trainers, besides
 * what training needs anyway. Collective on comm. */
int rheo_feed_to_trainers(int comm, int is_trainer, const char *parameters, const char *data, int capacity,
                          rheo_feed **feed);

/* Simulation `index` (0 or more, below 2^63 - 1, every one once over all ranks): theta (D), x (C). failed other than 0: the simulation has no
 * result, x is not looked at; it is kept as failed. Arrays may be used again at once. Not collective. */
int rheo_feed_put(rheo_feed *feed, int64_t index, const double *theta, const double *x, int failed);
int rheo_feed_try_put(rheo_feed *feed, int64_t index, const double *theta, const double *x, int failed);

/* Takes rows until every rank that puts has closed the feed, then trains as `rheo train DECK` would on the file of the same rows,
 * to the bit, and writes the model to path. deck: a file; mistakes in it, and a path where no model can be written, are
 * told before the wait. *rows (may be NULL): how many
 * there were. Where one of the trainers has no memory for its rows, all of them are told. Collective on the ranks that train. */
int rheo_feed_train(rheo_feed *feed, const char *deck, const char *path, int64_t *rows);

/* Says that all was put. The file is written here. Sets *feed to NULL, whatever it returns. *rows (may be NULL): how many rows
 * the file has; for trainers, those put by this rank. Ranks that put do not wait for the training: whether it went well, and
 * that the model file is there, the trainers know (a barrier of the host's tells all). Collective on comm. */
int rheo_feed_close(rheo_feed **feed, int64_t *rows);

#ifdef __cplusplus
}
#endif
#endif
