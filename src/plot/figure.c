#include "../base/log.h"
#include "../base/provenance.h"
#include "plot_impl.h"
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Colours that print and that the colour-blind can tell apart (Okabe & Ito): blue for what was found,
 * vermilion for what it is compared with, grey for what is expected. */
static const char style[] = "# The style of all figures; change it here.\n"
                            "set encoding utf8\n"
                            "set border lw 1.2\n"
                            "set tics scale 0.6 front\n"
                            "set style line 1 lc rgb '#0072B2' lw 2.4\n"
                            "set style line 2 lc rgb '#D55E00' lw 2.4\n"
                            "set style line 3 lc rgb '#555555' lw 1.4 dt 2\n"
                            "set style line 4 lc rgb '#0072B2' lw 1.2\n"
                            "set style line 5 lc rgb '#D55E00' pt 7 ps 1.3 lw 2\n"
                            "set style fill solid 0.25 noborder\n"
                            "set palette defined (0 '#FFFFFF', 0.15 '#DCEAF5', 0.5 '#7FB3DB', 1 '#00507F')\n"
                            "unset colorbox\n";

static int WriteStyle(const char *folder)
{
  char path[PETSC_MAX_PATH_LEN + 16];
  snprintf(path, sizeof path, "%s/style.gp", folder);
  if (!access(path, F_OK)) return 0; /* a user may have changed it */
  FILE *file = fopen(path, "w");
  if (!file) return -1;
  const int status = fputs(style, file) < 0;
  return fclose(file) || status ? -1 : 0;
}

static FILE *OpenIn(const char *folder, const char *name, const char *end)
{
  char path[PETSC_MAX_PATH_LEN + 64];
  snprintf(path, sizeof path, "%s/%s.%s", folder, name, end);
  return fopen(path, "w");
}

PetscErrorCode RheoFigureOpen(MPI_Comm comm, const char *directory, const char *name, int width, int height,
                              Figure *f)
{
  PetscMPIInt rank;
  PetscBool good;

  PetscFunctionBeginUser;
  *f = (Figure){.name = name, .comm = comm};
  PetscCheck(snprintf(f->folder, sizeof f->folder, "%s/figures", directory) < (int)sizeof f->folder, comm,
             PETSC_ERR_ARG_SIZ, "The path %s is too long", directory);
  PetscCall(RheoMakeDirectory(comm, f->folder));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0 && !WriteStyle(f->folder)) {
    f->script = OpenIn(f->folder, name, "gp");
    f->data = OpenIn(f->folder, name, "dat");
  }
  PetscCall(RheoAgree(comm, (PetscBool)(rank || (f->script && f->data)), &good));
  RheoInputCheck(good, comm, "%s: figures cannot be written there: %s", f->folder, strerror(errno));
  if (f->script)
    fprintf(f->script,
            "# Draws %s.png from %s.dat: gnuplot %s.gp (in this folder)\n"
            "set terminal pngcairo size %d,%d font 'DejaVu Sans,13' enhanced\n"
            "set output '%s.png'\nload 'style.gp'\n",
            name, name, name, width, height, name);
  PetscFunctionReturn(RHEO_OK);
}

/* Runs gnuplot in the folder; its exit status, or -1 where there is none. */
static int RunGnuplot(const char *folder, const char *name)
{
  char command[PETSC_MAX_PATH_LEN + 128];
  char *const argv[] = {"sh", "-c", command, NULL};
  pid_t child;
  int status;

  snprintf(command, sizeof command,
           "cd \"$RHEO_FIGURES\" && command -v gnuplot >/dev/null && exec gnuplot %s.gp >&2", name);
  setenv("RHEO_FIGURES", folder, 1);
  if (posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ)) return -1;
  if (waitpid(child, &status, 0) < 0) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

PetscErrorCode RheoFigureClose(Figure *f)
{
  PetscFunctionBeginUser;
  if (f->script) {
    const PetscBool written = (PetscBool)(!ferror(f->script) && !ferror(f->data));
    fclose(f->script);
    fclose(f->data);
    if (!written || RunGnuplot(f->folder, f->name))
      RheoLog(f->comm, RHEO_LOG_WARNING,
              "figure %s/%s.png was not drawn (is gnuplot there?); its script and data are beside it",
              f->folder, f->name);
  }
  PetscFunctionReturn(RHEO_OK);
}

const char *RheoPlotText(const char *plain)
{
  char text[512];
  size_t n = 0;
  for (const char *c = plain; *c && n + 2 < sizeof text; c++) {
    if (strchr("_^{}@&~\\", *c)) text[n++] = '\\';
    text[n++] = *c;
  }
  text[n] = 0;
  return RheoIntern(text);
}

void RheoFigureString(FILE *script, const char *text)
{
  fputc('"', script);
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\') fputc('\\', script);
    fputc(*c == '\n' ? ' ' : *c, script);
  }
  fputc('"', script);
}

double RheoTicStep(double lower, double upper, int n)
{
  const double raw = (upper - lower) / n;
  if (!(raw > 0) || !isfinite(raw)) return 1;
  const double power = pow(10, floor(log10(raw))), m = raw / power;
  return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}
