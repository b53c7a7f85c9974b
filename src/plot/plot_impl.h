/* Private to src/plot: a figure is a folder DIR/figures with a script, its data and the picture. */
#pragma once
#include "plot.h"
#include <stdio.h>

typedef struct {
  const char *name;
  FILE *script, *data; /* NULL on ranks that do not draw */
  char folder[PETSC_MAX_PATH_LEN];
  MPI_Comm comm;
} Figure;

/* Opens NAME.gp and NAME.dat on rank 0 and writes the head of the script: terminal of width x height pixels,
 * output, style. Collective. */
PetscErrorCode RheoFigureOpen(MPI_Comm comm, const char *directory, const char *name, int width, int height,
                              Figure *figure);
/* Closes both and runs gnuplot. Collective. */
PetscErrorCode RheoFigureClose(Figure *figure);

/* Writes text as a string of gnuplot's, whatever quotes and backslashes it holds. */
void RheoFigureString(FILE *script, const char *text);

/* A step for about n tics over the range that is 1, 2 or 5 times a power of ten. */
double RheoTicStep(double lower, double upper, int n);
