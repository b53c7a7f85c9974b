#include "verb.h"

#define RHEO_VERB(symbol) extern const Verb Verb_##symbol;
#include "verbs.def"
#undef RHEO_VERB

const Verb *const Verbs[] = {
#define RHEO_VERB(symbol) &Verb_##symbol,
#include "verbs.def"
#undef RHEO_VERB
    NULL};
