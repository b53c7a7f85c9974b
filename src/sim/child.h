/* A program kept alive that answers lines with lines: `/bin/sh -c command` behind two pipes, a process group of its own.
 * Its stderr is ours. Signals of the caller are left alone: SIGPIPE is blocked around writes. Not collective. */
#pragma once
#include "../base/error.h"

typedef struct RheoChild_ *RheoChild;

typedef enum {
  RHEO_CHILD_ANSWERED, /* all lines came */
  RHEO_CHILD_ENDED,    /* it ended, or closed its output */
  RHEO_CHILD_SILENT,   /* no line within the time limit */
  RHEO_CHILD_REFUSED,  /* the receiver did not like a line, or the line is endless */
  RHEO_CHILD_SURPLUS,  /* more lines than were asked for */
} RheoChildOutcome;

/* Takes line i of an answer, without its newline; 0 to refuse it. */
typedef int (*RheoChildReceiver)(void *context, int64_t i, char *line);

/* Nothing is started yet. folder is handed to the program in the environment as RHEO_DECK_DIR. */
PetscErrorCode RheoChildCreate(const char *command, const char *folder, RheoChild *child);
PetscErrorCode RheoChildDestroy(RheoChild *child); /* ends its input, waits a moment, then kills the group */

PetscErrorCode RheoChildStart(RheoChild child); /* where it is not running */
void RheoChildKill(RheoChild child);            /* the whole group; nothing where it is not running */
int RheoChildFresh(RheoChild child); /* it has answered nothing since it started, or is not running */

/* An idle program that ended between exchanges is started again at the next: that is nobody's fault. What it has printed
 * without being asked is RHEO_CHILD_SURPLUS. */
RheoChildOutcome RheoChildIdle(RheoChild child, double wait);

/* Writes text and reads n lines; seconds without a line end it. n_lines: how many were received and liked. */
RheoChildOutcome RheoChildExchange(RheoChild child, const char *text, size_t length, int64_t n,
                                   double seconds, RheoChildReceiver receiver, void *context,
                                   int64_t *n_lines);

/* How it ended, for a message: "exit status 3", "signal 11 (Segmentation fault)"; reaps it. code: its exit status, or
 * -1. */
void RheoChildObituary(RheoChild child, char *text, size_t size, int *code);
