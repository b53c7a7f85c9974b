/* HDF5 files written another way, as h5repack does. */
#pragma once

/* Data set `name` of the file, with its attributes, in chunks of so many rows, shuffled and deflated. Not collective. */
void Repack(const char *path, const char *name, int rows);
