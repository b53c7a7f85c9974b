/* What a file's name is worth when power is lost. */
#pragma once

/* Flushes the folder that path stands in to disk: a file that was made, renamed or removed there is so for good only then. Returns 0
 * or errno; where that cannot be had (a folder that must not be read, a file system without it) it is left to the system. Not
 * collective. */
int RheoFlushFolderOf(const char *path);
