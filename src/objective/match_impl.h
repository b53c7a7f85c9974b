/* Private to src/objective: what the flow-matching objectives share. */
#pragma once
#include "objective_impl.h"

/* A batch of pairs at random times. columns: x (B, D), context (B, C) or none, and where RheoMatchStage gives something, that. */
typedef struct {
  RheoMatch match;  /* t, place, target */
  RheoVal velocity; /* (B, D), of the field at the place */
  RheoVal forget;   /* (B, 1), 1 where the context was forgotten; none without cnf.dropout */
  RheoVal weight;   /* (B), of the pair; none where the coupling has no weights */
} RheoMatching;
/* 0 after a mistake, which the program then knows. */
int rx_matching(RheoScope scope, const RheoObjectiveModel *model, const char *objective,
                const RheoVal *columns, RheoMatching *m);

/* Draws and couples source rows. Gives [source (D), weight (1) where the coupling has weights]; nothing where neither the
 * source nor the coupling needs it: then the loss draws its own. */
extern const RheoBatchStage RheoMatchStage;
PetscBool RheoMatchMistake(const RheoObjectiveModel *model, RheoMistake *mistake);
PetscErrorCode RheoMatchCheck(MPI_Comm comm, const RheoObjectiveModel *model);
