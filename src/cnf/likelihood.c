#include "likelihood.h"

#define FIELD(name) offsetof(RheoLikelihoodConfig, name)
const RheoKey RheoLikelihoodKeys[] = {
    {"scheme", RHEO_KEY_STRING, FIELD(scheme), "tsit5", NULL, "time-stepping scheme of training"},
    {"steps", RHEO_KEY_COUNT, FIELD(steps), "0", "[0, 1e6]", "fixed steps; 0: adaptive"},
    {"rtol", RHEO_KEY_REAL, FIELD(rtol), "1e-4", "(0, 1)", "relative tolerance of adaptive steps"},
    {"atol", RHEO_KEY_REAL, FIELD(atol), "1e-4", "(0, inf)", "absolute tolerance of adaptive steps"},
    {"most", RHEO_KEY_COUNT, FIELD(most), "1000", "[1, 1e6]", "adaptive steps at most"},
    {"divergence", RHEO_KEY_CHOICE, FIELD(divergence), "exact", "exact|normal|rademacher",
     "trace of the Jacobian: exactly, or estimated with such probes (Hutchinson)"},
    {"probes", RHEO_KEY_INT, FIELD(probes), "1", "[1, 1000]", "of the estimate, a row and step"},
    {"precision", RHEO_KEY_CHOICE, FIELD(precision), "single", "single|double",
     "of the field; the state is always double"},
    {"checkpoints", RHEO_KEY_COUNT, FIELD(checkpoints), "0", "[0, 1e6]",
     "states kept of fixed steps, to save memory; 0: all"},
    {"kinetic", RHEO_KEY_REAL, FIELD(kinetic), "0", "[0, inf)", "weight of the path's energy, int |v|^2 dt"},
    {"jacobian", RHEO_KEY_REAL, FIELD(jacobian), "0", "[0, inf)", "weight of int |dv/dz|^2 dt"},
    {"acceleration", RHEO_KEY_REAL, FIELD(acceleration), "0", "[0, inf)",
     "weight of int |dv/dt + (dv/dz) v|^2 dt"},
    {"end_time", RHEO_KEY_CHOICE, FIELD(end_time), "fixed", "fixed|learned",
     "whether the field's end time T is learned (TO-FLOW)"},
    {"end_time_min", RHEO_KEY_REAL, FIELD(end_time_min), "0.25", "(0, inf)", "least T"},
    {"end_time_max", RHEO_KEY_REAL, FIELD(end_time_max), "4", "(0, inf)", "greatest T"},
    {"end_time_weight", RHEO_KEY_REAL, FIELD(end_time_weight), "0", "[0, inf)", "weight of T in the loss"},
    {"end_time_every", RHEO_KEY_COUNT, FIELD(end_time_every), "2", "[2, 1e6]",
     "one step in so many moves T, and T only"},
    {0}};
