/* Bytes that are to reach a file, files without a name, and what a name is worth when power is lost. */
#pragma once
#include <stddef.h>

/* Writes all n bytes to an open file, whatever interrupts it. Returns 0 or errno; some may have been written then. Not
 * collective. */
int RheoWriteAll(int file, const void *bytes, size_t n);

/* A new file for reading and writing, beside the one that path names or will name, that goes when it is closed. -1 and errno where
 * none can be made; EISDIR where path is no name for a file. Not collective. */
int RheoNamelessFile(const char *path);

/* Flushes the folder that path stands in to disk: a file that was made, renamed or removed there is so for good only then. Returns 0
 * or errno; where that cannot be had (a folder that must not be read, a file system without it) it is left to the system. Not
 * collective. */
int RheoFlushFolderOf(const char *path);
