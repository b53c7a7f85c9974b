/* Phases of the work as events of PETSc's log, so that -log_view says where the time went. Only in functions that are
 * called by one thread: PETSc's log is not made for more. */
#pragma once
#include "error.h"

typedef enum {
#define RHEO_EVENT(symbol, name) RHEO_EVENT_##symbol,
#include "event.def"
#undef RHEO_EVENT
  RHEO_EVENT_COUNT
} RheoEvent;

/* Begin and End in pairs; events may hold others. Nothing happens before RheoInitialize and where nothing is logged. Not
 * collective. */
PetscErrorCode RheoEventBegin(RheoEvent event);
PetscErrorCode RheoEventEnd(RheoEvent event);
