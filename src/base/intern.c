/* Strings and small arrays that live until RheoFinalize: a hash set over a list of chunks. */
#include "base_impl.h"
#include "checksum.h"
#include "deck.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16 };

typedef struct Chunk {
  struct Chunk *next;
  size_t used, size;
  _Alignas(16) char data[];
} Chunk;

static struct {
  Chunk *chunks;
  const char **slots; /* open addressing, a power of two long */
  size_t n_slots, n_strings;
} intern;

static void *Allocate(size_t n_bytes)
{
  void *memory = calloc(1, n_bytes);
  if (!memory) { /* a few kilobytes of configuration: nothing sensible is left to do */
    fputs("rheo: error: out of memory\n", stderr);
    abort();
  }
  return memory;
}

void *RheoInternMemory(size_t n_bytes)
{
  n_bytes = (n_bytes + 15) & ~(size_t)15;
  if (!intern.chunks || intern.chunks->used + n_bytes > intern.chunks->size) {
    size_t size = n_bytes > CHUNK_BYTES ? n_bytes : CHUNK_BYTES;
    Chunk *chunk = Allocate(sizeof *chunk + size);
    chunk->size = size;
    chunk->next = intern.chunks;
    intern.chunks = chunk;
  }
  void *memory = intern.chunks->data + intern.chunks->used;
  intern.chunks->used += n_bytes;
  return memory;
}

static size_t Find(const char *text)
{
  size_t i = (size_t)RheoChecksum(RHEO_CHECKSUM_START, text, strlen(text)) & (intern.n_slots - 1);
  while (intern.slots[i] && strcmp(intern.slots[i], text) != 0) i = (i + 1) & (intern.n_slots - 1);
  return i;
}

static void Grow(void)
{
  const char **old = intern.slots;
  size_t n_old = intern.n_slots;
  intern.n_slots = n_old ? 2 * n_old : 1024;
  intern.slots = Allocate(intern.n_slots * sizeof *intern.slots);
  for (size_t i = 0; i < n_old; ++i) {
    if (old[i]) intern.slots[Find(old[i])] = old[i];
  }
  free(old);
}

const char *RheoIntern(const char *text)
{
  if (!text) return NULL;
  if (2 * (intern.n_strings + 1) > intern.n_slots) Grow();
  size_t i = Find(text);
  if (!intern.slots[i]) {
    size_t n = strlen(text) + 1;
    intern.slots[i] = memcpy(RheoInternMemory(n), text, n);
    ++intern.n_strings;
  }
  return intern.slots[i];
}

void RheoInternFree(void)
{
  while (intern.chunks) {
    Chunk *next = intern.chunks->next;
    free(intern.chunks);
    intern.chunks = next;
  }
  free(intern.slots);
  memset(&intern, 0, sizeof intern);
}
