/* Rheo: simulation-based inference with normalizing flows over MPI. The public header; each room's own header
 * is its manual. */
#pragma once
#include "base/checksum.h"
#include "base/deck.h"
#include "base/error.h"
#include "base/log.h"
#include "base/provenance.h"
#include "base/random.h"
#include "base/reduce.h"
#include "base/yaml.h"
#include "cnf/assignment.h"
#include "cnf/cnf.h"
#include "flow/flow.h"
#include "infer/c2st.h"
#include "infer/calibration.h"
#include "infer/density.h"
#include "infer/distance.h"
#include "infer/posterior.h"
#include "infer/summary.h"
#include "infer/transport.h"
#include "infer/truncate.h"

#include "io/table.h"
#include "nn/nn.h"
#include "objective/objective.h"
#include "plot/plot.h"
#include "program/fused.h"
#include "program/plan.h"
#include "program/program.h"
#include "sim/dataset.h"
#include "sim/prior.h"
#include "sim/simulator.h"
#include "sim/toy.h"
#include "train/model_file.h"
#include "train/train.h"

/* The whole schema: every section that a deck may have. Array owned by the library. */
PetscErrorCode RheoSchema(int *n, const RheoSection **sections);
