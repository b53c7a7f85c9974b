#include "prior.h"
#include "simulator.h"
#include <ctype.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

enum { N_SHAPES = 3, MAX_KEYS = 64 };

/* One parameter. Under truncation the tail that holds the mass, P or Q = 1 - P, is used throughout: far out
 * on the right P is 1 to the last bit. */
typedef struct {
  const char *name, *label, *unit;
  const RheoPriorType *type;
  double a[N_SHAPES];
  double lower, upper;
  int truncated, right;  /* right: of the median, so tails are Q */
  double p_lower;        /* P(lower), or Q(lower) where right */
  double q_upper;        /* Q(upper) */
  double mass, log_mass; /* of [lower, upper] before truncation */
} Marginal;

struct RheoPrior_ {
  int n;
  Marginal *marginal;
};

#define RHEO_PRIOR_TYPE(symbol, name) extern const RheoPriorType RheoPriorType_##symbol;
#include "prior_types.def"
#undef RHEO_PRIOR_TYPE

const RheoPriorType *const RheoPriorTypes[] = {
#define RHEO_PRIOR_TYPE(symbol, name) &RheoPriorType_##symbol,
#include "prior_types.def"
#undef RHEO_PRIOR_TYPE
    NULL};

/* "|uniform|normal...": the rule of `family` after its first character. */
static const char family_rule[] =
#define RHEO_PRIOR_TYPE(symbol, name) "|" #name
#include "prior_types.def"
#undef RHEO_PRIOR_TYPE
    ;

typedef struct {
  int family;
  double lower, upper;
  const char *label, *unit;
  double a[N_SHAPES];
} Config;

/* What every family has. lower and upper have no default: whether they stand in the deck is asked of the
 * deck. */
static const RheoKey common_keys[] = {
    {"family", RHEO_KEY_CHOICE, offsetof(Config, family), RHEO_REQUIRED, family_rule + 1, "the distribution"},
    {"lower", RHEO_KEY_REAL, offsetof(Config, lower), NULL, NULL, "truncates the distribution from below"},
    {"upper", RHEO_KEY_REAL, offsetof(Config, upper), NULL, NULL, "truncates the distribution from above"},
    {"label", RHEO_KEY_STRING, offsetof(Config, label), NULL, NULL,
     "name in figures, in gnuplot's enhanced text"},
    {"unit", RHEO_KEY_STRING, offsetof(Config, unit), NULL, NULL,
     "unit of the parameter, for figures and columns"},
};
enum { N_COMMON = sizeof common_keys / sizeof common_keys[0] };

static int IsCommon(const char *name)
{
  for (int i = 0; i < N_COMMON; ++i) {
    if (!strcmp(common_keys[i].name, name)) return 1;
  }
  return 0;
}

PetscErrorCode RheoPriorGetSections(int *n, const RheoSection **sections)
{
  static RheoKey keys[MAX_KEYS];
  static const RheoSection section[] = {{"prior.*", keys, "one parameter; family and the family's own keys"}};
  PetscFunctionBeginUser;
  if (!keys[0].name) { /* the union over the families; every call would write the same */
    RheoKey all[MAX_KEYS] = {{0}};
    int n_keys = N_COMMON;
    memcpy(all, common_keys, sizeof common_keys);
    for (int t = 0; RheoPriorTypes[t]; ++t) {
      for (int s = 0; s < N_SHAPES && RheoPriorTypes[t]->parameter[s]; ++s) {
        const char *name = RheoPriorTypes[t]->parameter[s];
        int known = 0;
        for (int k = 0; k < n_keys; ++k) known |= !strcmp(all[k].name, name);
        PetscCheck(n_keys < MAX_KEYS - 1, PETSC_COMM_SELF, PETSC_ERR_PLIB, "too many keys of priors");
        if (!known)
          all[n_keys++] =
              (RheoKey){name, RHEO_KEY_REAL, offsetof(Config, a), NULL, NULL, "parameter of a family"};
      }
    }
    memcpy(keys, all, sizeof all);
  }
  *n = 1;
  *sections = section;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPriorCreate(RheoPrior *prior)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(prior));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPriorDestroy(RheoPrior *prior)
{
  PetscFunctionBeginUser;
  if (!*prior) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree((*prior)->marginal));
  PetscCall(PetscFree(*prior));
  PetscFunctionReturn(RHEO_OK);
}

static int IsIdentifier(const char *text)
{
  if (!isalpha((unsigned char)text[0]) && text[0] != '_') return 0;
  for (; *text; ++text) {
    if (!isalnum((unsigned char)*text) && *text != '_') return 0;
  }
  return 1;
}

/* Keys of another family would be silently without effect. */
static PetscErrorCode CheckKeys(RheoDeck deck, const char *prefix, const RheoPriorType *type)
{
  int n;
  const char **names;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetChildren(deck, prefix, &n, &names));
  for (int i = 0; i < n; ++i) {
    int known = IsCommon(names[i]);
    char key[256], list[128] = "";
    for (int s = 0; s < N_SHAPES && type->parameter[s]; ++s) {
      known |= !strcmp(names[i], type->parameter[s]);
      snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", s ? ", " : "", type->parameter[s]);
    }
    if (known) continue;
    snprintf(key, sizeof key, "%s.%s", prefix, names[i]);
    PetscCall(
        RheoDeckReject(deck, key, "is not a parameter of the family %s, which has %s", type->name, list));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

/* The rule of a type begins with the name of the parameter that breaks it. */
static PetscErrorCode RejectShape(RheoDeck deck, const char *prefix, const char *rule)
{
  const int length = (int)strcspn(rule, " ");
  char key[256];
  PetscFunctionBeginUser;
  snprintf(key, sizeof key, "%s.%.*s", prefix, length, rule);
  PetscCall(
      RheoDeckReject(deck, key, "must%s", strstr(rule, " must") ? strstr(rule, " must") + 5 : rule + length));
  PetscFunctionReturn(RHEO_OK);
}

/* low, high: the support. GSL's functions need not know their own ends. */
static void Truncate(Marginal *m, double low, double high)
{
  const double p = m->lower > low ? m->type->cdf(m->lower, m->a) : 0;
  m->right = p > 0.5;
  m->p_lower = m->right ? m->type->upper_cdf(m->lower, m->a) : p;
  m->q_upper = m->upper < high ? m->type->upper_cdf(m->upper, m->a) : 0;
  const double p_upper = m->upper < high ? m->type->cdf(m->upper, m->a) : 1;
  m->mass = m->right ? m->p_lower - m->q_upper : p_upper - m->p_lower;
  m->log_mass = log(m->mass);
}

static PetscErrorCode SetBounds(RheoDeck deck, const char *prefix, const Config *config, Marginal *m)
{
  double low, high;
  char key[256];
  PetscBool has_lower, has_upper;
  PetscFunctionBeginUser;
  snprintf(key, sizeof key, "%s.lower", prefix);
  PetscCall(RheoDeckHas(deck, key, &has_lower));
  snprintf(key, sizeof key, "%s.upper", prefix);
  PetscCall(RheoDeckHas(deck, key, &has_upper));
  m->type->support(m->a, &low, &high);
  m->lower = has_lower ? fmax(config->lower, low) : low;
  m->upper = has_upper ? fmin(config->upper, high) : high;
  if (has_lower && has_upper && !(config->lower < config->upper)) {
    PetscCall(RheoDeckReject(deck, key, "must be above lower = %g (swapped bounds?)", config->lower));
  }
  m->truncated = m->lower > low || m->upper < high;
  if (!m->truncated) PetscFunctionReturn(RHEO_OK);
  Truncate(m, low, high);
  if (!(m->lower < m->upper) || !(m->mass > 0)) {
    snprintf(key, sizeof key, "%s.%s", prefix, has_upper && config->upper <= low ? "upper" : "lower");
    PetscCall(RheoDeckReject(deck, key, "leaves no probability to the family %s, which lives on [%g, %g]",
                             m->type->name, low, high));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ReadMarginal(RheoDeck deck, const char *section, const char *name, Marginal *m)
{
  Config config = {0};
  RheoKey keys[N_COMMON + N_SHAPES + 1] = {{0}};
  char prefix[192];
  PetscFunctionBeginUser;
  snprintf(prefix, sizeof prefix, "%s.%s", section, name);
  if (strlen(name) > 96 || !IsIdentifier(name)) {
    PetscCall(
        RheoDeckReject(deck, prefix, "the name of a parameter must be letters, digits and _, at most 96"));
  }
  memcpy(keys, common_keys, sizeof common_keys);
  PetscCall(RheoDeckRead(deck, prefix, keys, &config));
  m->name = name;
  m->label = config.label && config.label[0] ? config.label : name;
  m->unit = config.unit ? config.unit : "";
  m->type = RheoPriorTypes[config.family];
  PetscCall(CheckKeys(deck, prefix, m->type));
  RheoKey shapes[N_SHAPES + 1] = {{0}};
  for (int s = 0; s < N_SHAPES && m->type->parameter[s]; ++s) {
    shapes[s] =
        (RheoKey){m->type->parameter[s], RHEO_KEY_REAL, offsetof(Config, a) + (size_t)s * sizeof(double),
                  RHEO_REQUIRED,         NULL,          "parameter of the family"};
  }
  PetscCall(RheoDeckRead(deck, prefix, shapes, &config));
  memcpy(m->a, config.a, sizeof m->a);
  const char *rule = m->type->check ? m->type->check(m->a) : NULL;
  if (rule) PetscCall(RejectShape(deck, prefix, rule));
  PetscCall(SetBounds(deck, prefix, &config, m));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ReadAll(RheoPrior prior, RheoDeck deck, const char *section)
{
  int n;
  const char **names;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetChildren(deck, section, &n, &names));
  if (n == 0) {
    PetscCall(PetscFree(names));
    PetscCall(RheoDeckReject(
        deck, section, "must name at least one parameter, such as `x: {family: normal, mean: 0, sd: 1}`"));
  }
  PetscCall(PetscFree(prior->marginal));
  PetscCall(PetscCalloc1((size_t)n, &prior->marginal));
  prior->n = n;
  for (int i = 0; i < n; ++i) PetscCall(ReadMarginal(deck, section, names[i], &prior->marginal[i]));
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPriorSetFromDeck(RheoPrior prior, RheoDeck deck, const char *section)
{
  PetscBool has;
  const char *text = NULL;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(deck, section, &has));
  if (!has && !strcmp(section, "prior")) PetscCall(RheoSimulatorDefaultPrior(deck, &text));
  if (text) {
    MPI_Comm comm;
    RheoDeck standard;
    PetscCall(RheoDeckGetComm(deck, &comm));
    PetscCall(RheoDeckCreate(comm, &standard));
    PetscCall(RheoDeckLoadText(standard, "the simulator's own prior", text));
    PetscCall(ReadAll(prior, standard, section));
    PetscCall(RheoDeckDestroy(&standard));
  } else {
    PetscCall(ReadAll(prior, deck, section));
  }
  PetscFunctionReturn(RHEO_OK);
}

int RheoPriorSize(RheoPrior prior)
{
  return prior->n;
}
const char *RheoPriorName(RheoPrior prior, int i)
{
  return prior->marginal[i].name;
}
const char *RheoPriorLabel(RheoPrior prior, int i)
{
  return prior->marginal[i].label;
}
const char *RheoPriorUnit(RheoPrior prior, int i)
{
  return prior->marginal[i].unit;
}

PetscErrorCode RheoPriorGetBounds(RheoPrior prior, double *lower, double *upper)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < prior->n; ++i) {
    lower[i] = prior->marginal[i].lower;
    upper[i] = prior->marginal[i].upper;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* By inversion, through the tail that keeps its digits. */
static double InvertTruncated(const Marginal *m, double u)
{
  const double q = m->q_upper + (1 - u) * m->mass;
  if (m->right) return m->type->upper_quantile(q, m->a);
  const double p = m->p_lower + u * m->mass;
  return p < 0.5 ? m->type->quantile(p, m->a) : m->type->upper_quantile(q, m->a);
}

static double SampleMarginal(const Marginal *m, const gsl_rng *rng, RheoStream *stream)
{
  double x = NAN;
  if (!m->truncated) {
    x = m->type->sample(rng, m->a);
  } else if (m->mass >
             0.1) { /* rejection needs at most ten draws on average and is cheaper than most inverses */
    do x = m->type->sample(rng, m->a);
    while (!(x >= m->lower && x <= m->upper) && !isnan(x));
  } else {
    x = InvertTruncated(m, RheoStreamUniform(stream));
  }
  /* GSL's beta and t give NaN and infinity for tiny shapes. */
  if (!isfinite(x)) x = m->type->quantile(RheoStreamUniform(stream), m->a);
  /* Never on a bound itself: the map to unbounded space would send it to infinity. */
  if (x <= m->lower) x = nextafter(m->lower, INFINITY);
  if (x >= m->upper) x = nextafter(m->upper, -INFINITY);
  return x;
}

void RheoPriorSample(RheoPrior prior, RheoStream *stream, double *theta)
{
  gsl_rng *rng = RheoStreamGsl(stream);
  for (int i = 0; i < prior->n; ++i) theta[i] = SampleMarginal(&prior->marginal[i], rng, stream);
  gsl_rng_free(rng);
}

double RheoPriorMarginalLogDensity(RheoPrior prior, int i, double x)
{
  const Marginal *m = &prior->marginal[i];
  if (!(x >= m->lower && x <= m->upper)) return -INFINITY;
  return m->type->log_pdf(x, m->a) - (m->truncated ? m->log_mass : 0);
}

double RheoPriorLogDensity(RheoPrior prior, const double *theta)
{
  double sum = 0;
  for (int i = 0; i < prior->n; ++i) sum += RheoPriorMarginalLogDensity(prior, i, theta[i]);
  return sum;
}

double RheoPriorMarginalCdf(RheoPrior prior, int i, double x)
{
  const Marginal *m = &prior->marginal[i];
  if (x <= m->lower) return 0;
  if (x >= m->upper) return 1;
  if (!m->truncated) return m->type->cdf(x, m->a);
  if (m->right) return (m->p_lower - m->type->upper_cdf(x, m->a)) / m->mass;
  return (m->type->cdf(x, m->a) - m->p_lower) / m->mass;
}

/* Shares of the truncated distribution below and above x; each keeps its digits where it is small. */
static void Shares(const Marginal *m, double x, double *below, double *above)
{
  if (!m->truncated) {
    *below = m->type->cdf(x, m->a);
    *above = m->type->upper_cdf(x, m->a);
    return;
  }
  const double p = m->type->cdf(x, m->a);
  *above = (p < 0.5 ? m->p_lower + m->mass - p : m->type->upper_cdf(x, m->a) - m->q_upper) / m->mass;
  *below = (m->right ? m->p_lower - m->type->upper_cdf(x, m->a) : p - m->p_lower) / m->mass;
}

double RheoPriorToNormal(RheoPrior prior, int i, double x)
{
  const Marginal *m = &prior->marginal[i];
  double below, above;
  if (isnan(x)) return NAN;
  if (x <= m->lower) return -INFINITY;
  if (x >= m->upper) return INFINITY;
  Shares(m, x, &below, &above);
  return below < above ? gsl_cdf_ugaussian_Pinv(below) : gsl_cdf_ugaussian_Qinv(above);
}

double RheoPriorFromNormal(RheoPrior prior, int i, double z)
{
  const Marginal *m = &prior->marginal[i];
  const double mass = m->truncated ? m->mass : 1, q_upper = m->truncated ? m->q_upper : 0;
  const double below = gsl_cdf_ugaussian_P(z), above = gsl_cdf_ugaussian_Q(z);
  const double q = q_upper + above * mass;
  double x;
  if (isnan(z)) return NAN;
  if (m->truncated && m->right) {
    x = m->type->upper_quantile(q, m->a);
  } else {
    const double p = (m->truncated ? m->p_lower : 0) + below * mass;
    x = p < 0.5 ? m->type->quantile(p, m->a) : m->type->upper_quantile(q, m->a);
  }
  if (x <= m->lower) x = nextafter(m->lower, INFINITY);
  if (x >= m->upper) x = nextafter(m->upper, -INFINITY);
  return x;
}
