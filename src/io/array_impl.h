/* Private to src/io: bytes of a file, or of a member of a zip archive, as a stream. */
#pragma once
#include "array.h"

typedef struct RheoBytes_ *RheoBytes;

/* member NULL: the file itself. What is wrong goes to text (256), and NULL comes back. */
RheoBytes RheoBytesOpen(const char *path, const char *member, char *text);
void RheoBytesClose(RheoBytes *bytes);
int64_t RheoBytesSize(RheoBytes bytes);   /* as the file or the archive has it */
int RheoBytesIsDeflated(RheoBytes bytes); /* reading backwards begins anew */
/* n bytes from `at` on; -1 where there are not as many. */
int RheoBytesRead(RheoBytes bytes, int64_t at, size_t n, void *to);
/* Reads all of an archive's member: whether its checksum fits. True of a file, which has none. */
int RheoBytesAreSound(RheoBytes bytes);
