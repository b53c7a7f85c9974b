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
  PetscBool is_short; /* of memory, and somebody has been told nothing */
} intern;

const char *RheoInternFails(void)
{
  intern.is_short = PETSC_TRUE;
  return "";
}

static void *Allocate(size_t n_bytes)
{
  void *memory = calloc(1, n_bytes);
  if (!memory) RheoInternFails();
  return memory;
}

void *RheoInternMemory(size_t n_bytes)
{
  n_bytes = (n_bytes + 15) & ~(size_t)15;
  if (!intern.chunks || intern.chunks->used + n_bytes > intern.chunks->size) {
    size_t size = n_bytes > CHUNK_BYTES ? n_bytes : CHUNK_BYTES;
    Chunk *chunk = Allocate(sizeof *chunk + size);
    if (!chunk) return NULL;
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

static PetscBool Grow(void)
{
  const size_t n_old = intern.n_slots, n = n_old ? 2 * n_old : 1024;
  const char **old = intern.slots, **slots = Allocate(n * sizeof *slots);
  if (!slots) return PETSC_FALSE;
  intern.slots = slots;
  intern.n_slots = n;
  for (size_t i = 0; i < n_old; ++i) {
    if (old[i]) intern.slots[Find(old[i])] = old[i];
  }
  free(old);
  return PETSC_TRUE;
}

const char *RheoIntern(const char *text)
{
  if (!text) return NULL;
  if (intern.n_slots && intern.slots[Find(text)]) return intern.slots[Find(text)];
  if (2 * (intern.n_strings + 1) > intern.n_slots && !Grow()) return "";
  const size_t n = strlen(text) + 1;
  char *memory = RheoInternMemory(n);
  if (!memory) return "";
  ++intern.n_strings;
  return intern.slots[Find(text)] = memcpy(memory, text, n);
}

PetscErrorCode RheoInternCheck(void)
{
  PetscFunctionBeginUser;
  PetscCheck(!intern.is_short, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for names");
  PetscFunctionReturn(RHEO_OK);
}

PetscBool RheoInternWasShort(void)
{
  const PetscBool was = intern.is_short;
  intern.is_short = PETSC_FALSE;
  return was;
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
