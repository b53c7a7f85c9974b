/* What the files of random.h share. */
#pragma once
#include "random.h"

/* The finaliser of splitmix64: a bijection of 64 bits in which every input bit moves half of the output bits. */
static inline uint64_t RheoMix(uint64_t x)
{
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

uint64_t RheoStreamBits64(RheoStream *stream);
