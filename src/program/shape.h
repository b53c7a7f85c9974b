/* Shapes: at most four dimensions, row-major; n = 0 is a scalar. */
#pragma once
#include <stddef.h>

enum { RHEO_MAX_DIM = 4 };

typedef struct {
  int n;
  int d[RHEO_MAX_DIM];
} RheoShape;

static inline size_t RheoShapeSize(RheoShape s)
{
  size_t size = 1;
  for (int i = 0; i < s.n; i++) size *= (size_t)s.d[i];
  return size;
}

/* "(8, 3)"; returns text. */
enum { RHEO_SHAPE_TEXT = 64 };
const char *RheoShapeText(RheoShape s, char text[RHEO_SHAPE_TEXT]);

static inline int RheoShapeSame(RheoShape a, RheoShape b)
{
  if (a.n != b.n) return 0;
  for (int i = 0; i < a.n; i++)
    if (a.d[i] != b.d[i]) return 0;
  return 1;
}
