/* The keys of the driver. The library's own are declared beside what reads them; schema.c puts all together.
 */
#include "verb.h"

const RheoKey RunKeys[] = {
    {"output", RHEO_KEY_STRING, offsetof(RunConfig, output), NULL, NULL,
     "folder for all that is written (default results/NAME)"},
    {"title", RHEO_KEY_STRING, offsetof(RunConfig, title), NULL, NULL, "what the study is, for figures"},
    {"log", RHEO_KEY_CHOICE, offsetof(RunConfig, log), "info", "error|warning|info|debug",
     "which messages go to stderr"},
    {0}};

const RheoKey SampleKeys[] = {
    {"n", RHEO_KEY_COUNT, offsetof(CountConfig, n), "10k", "[2, inf)", "posterior samples to draw"}, {0}};

const RheoKey DataFileKeys[] = {{"file", RHEO_KEY_STRINGS, offsetof(DataFileConfig, file), NULL, NULL,
                                 "a data set to train on, or several with the same columns that make one "
                                 "(default: infer simulates; train reads "
                                 "DIR/data.h5)"},
                                {0}};

const RheoKey PlotKeys[] = {
    {"figures", RHEO_KEY_BOOL, offsetof(PlotConfig, figures), "yes", NULL, "draw figures into DIR/figures"},
    {"corner", RHEO_KEY_STRINGS, offsetof(PlotConfig, corner), NULL, NULL,
     "parameters and derived quantities of the corner plot (default: all parameters)"},
    {"x_label", RHEO_KEY_STRING, offsetof(PlotConfig, x_label), "column of the data", NULL,
     "of the predictive figure"},
    {"y_label", RHEO_KEY_STRING, offsetof(PlotConfig, y_label), "data", NULL, "of the predictive figure"},
    {0}};

const RheoKey TruthKeys[] = {{"truth", RHEO_KEY_REALS, offsetof(TruthConfig, truth), NULL, NULL,
                              "the true parameters where they are known, marked in figures"},
                             {0}};

const RheoKey CheckKeys[] = {
    {"run", RHEO_KEY_STRINGS, offsetof(CheckConfig, run), "sbc, coverage, predictive", NULL,
     "which checks to make: sbc, coverage, predictive, or none"},
    {"reference", RHEO_KEY_STRING, offsetof(CheckConfig, reference), NULL, NULL,
     "a file of posterior samples to compare with by a classifier two-sample test (C2ST)"},
    {"predictive", RHEO_KEY_COUNT, offsetof(CheckConfig, predictive), "2000", "[20, inf)",
     "simulations of the posterior predictive check"},
    {0}};

const RheoKey PointsKeys[] = {
    {"file", RHEO_KEY_STRING, offsetof(PointsConfig, file), NULL, NULL,
     "CSV or HDF5 file with one point a row; columns go by name, without a header by position"},
    {"values", RHEO_KEY_REALS, offsetof(PointsConfig, values), NULL, NULL, "one or more points, row by row"},
    {0}};
