/* Private to src/io: what reading a table whole and reading it in pieces have in common. */
#pragma once
#include "hdf5.h"
#include "table.h"

/* The part of the checksum that rows held here, and what stands beside the rows, give; *status -1 where
 * rows cannot be had. */
uint64_t RheoTablePartialChecksum(const RheoTable *table, int *status);
uint64_t RheoTableRestChecksum(const RheoTable *table);

/* Everything but n, begin, end and kind, which are there; with begin == end no rows. Returns -1 where something is wrong. */
int RheoTableReadAll(hid_t file, RheoTable *table, uint64_t *checksum, uint64_t *rest);
