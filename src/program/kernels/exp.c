#include "exp.h"

const float RheoExpTop = 87, RheoExpBottom = -87;
