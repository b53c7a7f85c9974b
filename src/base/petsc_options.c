/* Which options belong to PETSc. Rheo and PETSc share one command line and one deck; PETSc gets only what is
 * its own, so that its data base holds no strangers and -help stays ours. */
#include "base_impl.h"
#include <ctype.h>
#include <string.h>

/* A name that ends with '_' stands for the whole family. */
static const char *const petsc_names[] = {"blas_view",
                                          "check_pointer_intensity",
                                          "citations",
                                          "debugger_",
                                          "device_enable",
                                          "device_view",
                                          "draw_",
                                          "fp_trap",
                                          "get_total_flops",
                                          "info",
                                          "info_exclude",
                                          "ksp_",
                                          "log_all",
                                          "log_exclude",
                                          "log_mpe",
                                          "log_summary",
                                          "log_sync",
                                          "log_trace",
                                          "log_view",
                                          "log_view_",
                                          "malloc",
                                          "malloc_",
                                          "mat_",
                                          "memory_",
                                          "mpi_return_on_error",
                                          "objects_dump",
                                          "on_error_",
                                          "options_",
                                          "pc_",
                                          "petscrandom_",
                                          "snes_",
                                          "start_in_debugger",
                                          "stop_for_debugger",
                                          "sub_ksp_",
                                          "sub_pc_",
                                          "tao_",
                                          "ts_",
                                          "use_gpu_aware_mpi",
                                          "vec_",
                                          "viewer_"};

PetscBool RheoPetscOptionIs(const char *name)
{
  for (size_t i = 0; i < sizeof petsc_names / sizeof *petsc_names; ++i) {
    size_t n = strlen(petsc_names[i]);
    if (petsc_names[i][n - 1] == '_' ? !strncmp(name, petsc_names[i], n) : !strcmp(name, petsc_names[i]))
      return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

PetscBool RheoArgumentIsKey(const char *argument)
{
  if (argument[0] != '-') return PETSC_FALSE;
  argument += argument[1] == '-' ? 2 : 1;
  if (!isalpha((unsigned char)argument[0])) return PETSC_FALSE;
  return strcmp(argument, "inf") && strcmp(argument, "nan") ? PETSC_TRUE : PETSC_FALSE;
}
