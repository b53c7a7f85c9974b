/* A simulator in a shared object of the user's; the interface is rheo_simulator.h. */
#include "../rheo_simulator.h"
#include "../simulator_impl.h"
#include <dlfcn.h>
#include <string.h>

typedef struct {
  const char *path, *checksum;
  void *library;
  const rheo_simulator *plugin;
} Config;

static const RheoKey keys[] = {
    {"path", RHEO_KEY_STRING, offsetof(Config, path), RHEO_REQUIRED, NULL,
     "shared object that exports rheo_simulator_get; beside the deck or as given"},
    {"checksum", RHEO_KEY_STRING, offsetof(Config, checksum), NULL, NULL,
     "of that file: Rheo writes it into the deck of a data set, to know simulations of another version"},
    {0}};

static double plugin_uniform(void *stream)
{
  return RheoStreamUniform(stream);
}

static double plugin_normal(void *stream)
{
  return RheoStreamNormal(stream);
}

/* What is wrong with the shared object, in problem; "" where nothing is. */
static void plugin_open(Config *config, const char *path, int n_parameters, char *problem, size_t size)
{
  union {
    void *object;
    const rheo_simulator *(*get)(void);
  } symbol; /* a pointer to an object is what dlsym gives, whatever it points to */
  char with_folder[PETSC_MAX_PATH_LEN];
  snprintf(with_folder, sizeof with_folder, "%s%s", strchr(path, '/') ? "" : "./",
           path); /* not the loader's path */
  problem[0] = 0;
  config->library = dlopen(with_folder, RTLD_NOW | RTLD_LOCAL);
  if (!config->library) {
    snprintf(problem, size, "cannot be loaded: %s", dlerror());
    return;
  }
  symbol.object = dlsym(config->library, "rheo_simulator_get");
  if (!symbol.object) {
    snprintf(problem, size, "must export the function rheo_simulator_get; see rheo_simulator.h");
    return;
  }
  config->plugin = symbol.get();
  const rheo_simulator *plugin = config->plugin;
  if (!plugin) {
    snprintf(problem, size, "must describe a simulator: rheo_simulator_get returned NULL");
  } else if (plugin->abi != RHEO_SIMULATOR_ABI) {
    snprintf(problem, size,
             "must be compiled with this version's rheo_simulator.h: it has interface %d, expected %d",
             plugin->abi, RHEO_SIMULATOR_ABI);
  } else if (!plugin->simulate || plugin->n_data < 1) {
    snprintf(problem, size,
             "must describe a simulator with a function `simulate` and n_data above 0, got n_data %d",
             plugin->n_data);
  } else if (plugin->n_parameters && plugin->n_parameters != n_parameters) {
    snprintf(problem, size, "takes %d parameters, the prior has %d", plugin->n_parameters, n_parameters);
  }
}

static PetscErrorCode plugin_set_up(RheoSimulator simulator, RheoDeck deck, int n_parameters)
{
  Config *config = simulator->config;
  const char *path;
  char problem[512];
  MPI_Comm comm;
  PetscBool all;
  PetscFunctionBeginUser;
  PetscCall(RheoSimFindFile(deck, "simulator.plugin.path", config->path, &path));
  plugin_open(config, path, n_parameters, problem, sizeof problem);
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(RheoAgree(comm, problem[0] ? PETSC_FALSE : PETSC_TRUE, &all));
  if (!all) {
    PetscCall(RheoDeckReject(deck, "simulator.plugin.path", "%s",
                             problem[0] ? problem : "cannot be used on another rank"));
  }
  simulator->n_data = config->plugin->n_data;
  simulator->data_names = config->plugin->data_names;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode plugin_destroy(RheoSimulator simulator)
{
  Config *config = simulator->config;
  PetscFunctionBeginUser;
  if (config->library) dlclose(config->library);
  PetscFunctionReturn(RHEO_OK);
}

static RheoSimulationStatus plugin_simulate(const void *context, const double *theta, int n_parameters,
                                            double *x, RheoStream *stream, char *message, size_t message_size)
{
  const rheo_simulator *plugin = ((const Config *)context)->plugin;
  const rheo_random random = {plugin_uniform, plugin_normal, stream};
  const int failed = plugin->simulate(theta, n_parameters, x, &random, message, message_size);
  message[message_size - 1] = 0;
  if (!failed) return RHEO_SIMULATION_DONE;
  if (!message[0]) snprintf(message, message_size, "simulate returned %d", failed);
  return RHEO_SIMULATION_FAILED;
}

const RheoSimulatorType RheoSimulatorType_Plugin = {.name = "plugin",
                                                    .summary =
                                                        "a shared object with the interface rheo_simulator.h",
                                                    .keys = keys,
                                                    .size = sizeof(Config),
                                                    .set_up = plugin_set_up,
                                                    .destroy = plugin_destroy,
                                                    .simulate = plugin_simulate};
