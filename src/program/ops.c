#include "program_impl.h"

const RheoOpInfo RheoOps[RHEO_OP_COUNT] = {
#define RHEO_OP(symbol, name, class, arguments, summary)                                                     \
  [RHEO_OP_##symbol] = {name, RHEO_CLASS_##class, arguments, summary},
#include "ops.def"
#undef RHEO_OP
};

const char *RheoShapeText(RheoShape s, char text[RHEO_SHAPE_TEXT])
{
  int length = snprintf(text, RHEO_SHAPE_TEXT, "(");
  for (int i = 0; i < s.n && i < RHEO_MAX_DIM; i++)
    length += snprintf(text + length, (size_t)(RHEO_SHAPE_TEXT - length), "%s%d", i ? ", " : "", s.d[i]);
  snprintf(text + length, (size_t)(RHEO_SHAPE_TEXT - length), ")");
  return text;
}
