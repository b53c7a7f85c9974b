/* Members of zip archives (PKWARE's APPNOTE 4.3: end of central directory, ZIP64, central and local headers), read as they come:
 * stored, or deflated through zlib. */
#include "array_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { TEXT = 256, INPUT = 1 << 16, TAIL = 65536 + 22 };
enum { DEFLATE_MOST = 1040, DEFLATE_MORE = 64 }; /* one byte becomes 1032 at most */

struct RheoBytes_ {
  FILE *file;
  int64_t begin, stored, size; /* where the member's bytes stand, how many, and how many they become */
  int deflated, member;
  uint32_t sum; /* CRC-32 of a member */
  z_stream z;
  int64_t at, taken; /* of the size; of the stored ones */
  unsigned char input[INPUT];
};

static uint64_t Little(const unsigned char *p, int n)
{
  uint64_t x = 0;
  while (n--) x = x << 8 | p[n];
  return x;
}

static int ReadAt(FILE *file, int64_t at, size_t n, void *to)
{
  return fseeko(file, at, SEEK_SET) || fread(to, 1, n, file) != n ? -1 : 0;
}

/* ---- The directory of an archive ---- */
typedef struct {
  int64_t at, bytes, entries;
} Directory;

static int FindDirectory(FILE *file, int64_t size, Directory *d)
{
  const size_t n = (size_t)(size < TAIL ? size : TAIL);
  unsigned char *tail = malloc(n + 1), *end = NULL, record[56], locator[20];

  if (tail && !ReadAt(file, size - (int64_t)n, n, tail))
    for (size_t i = n < 22 ? 0 : n - 21; i-- > 0 && !end;)
      if (!memcmp(tail + i, "PK\5\6", 4)) end = tail + i;
  if (end)
    *d =
        (Directory){(int64_t)Little(end + 16, 4), (int64_t)Little(end + 12, 4), (int64_t)Little(end + 10, 2)};
  const int64_t place = end ? size - (int64_t)n + (end - tail) : -1;
  free(tail);
  if (place < 0) return -1;
  if (place >= 20 && !ReadAt(file, place - 20, sizeof locator, locator) && !memcmp(locator, "PK\6\7", 4)) {
    if (ReadAt(file, (int64_t)Little(locator + 8, 8), sizeof record, record) || memcmp(record, "PK\6\6", 4))
      return -1;
    *d = (Directory){(int64_t)Little(record + 48, 8), (int64_t)Little(record + 40, 8),
                     (int64_t)Little(record + 32, 8)};
  }
  return d->at < 0 || d->bytes < 0 || d->at > size || d->bytes > size - d->at ? -1 : 0;
}

/* Sizes and offset of an entry, from its ZIP64 field where they do not fit. */
static void Sizes(const unsigned char *entry, int64_t *size, int64_t *stored, int64_t *offset)
{
  const size_t n_name = Little(entry + 28, 2), n_extra = Little(entry + 30, 2);
  const unsigned char *extra = entry + 46 + n_name, *end = extra + n_extra;
  int64_t *wanted[3] = {size, stored, offset};

  *size = (int64_t)Little(entry + 24, 4);
  *stored = (int64_t)Little(entry + 20, 4);
  *offset = (int64_t)Little(entry + 42, 4);
  while (end - extra >= 4) {
    const int64_t length = (int64_t)Little(extra + 2, 2);
    const unsigned char *field = extra + 4;
    if (length > end - field) return;
    for (int k = 0; Little(extra, 2) == 1 && k < 3; k++)
      if (*wanted[k] == 0xffffffff && field + 8 <= extra + 4 + length) {
        *wanted[k] = (int64_t)Little(field, 8);
        field += 8;
      }
    extra += 4 + length;
  }
}

/* Whether the entry is NAME or NAME.npy. */
static int IsNamed(const unsigned char *entry, const char *member)
{
  const size_t n = Little(entry + 28, 2), m = strlen(member);
  const char *name = (const char *)entry + 46;
  return (n == m && !memcmp(name, member, m)) ||
         (n == m + 4 && !memcmp(name, member, m) && !memcmp(name + m, ".npy", 4));
}

static void AddName(const unsigned char *entry, char *known, size_t most)
{
  const size_t used = strlen(known);
  size_t n = Little(entry + 28, 2);
  const char *name = (const char *)entry + 46;
  if (n > 4 && !memcmp(name + n - 4, ".npy", 4)) n -= 4;
  snprintf(known + used, most - used, "%s%.*s", used ? ", " : "", (int)n, name);
}

static const char *FindMember(RheoBytes b, int64_t file_size, const char *member, char *text)
{
  char known[TEXT - 64] = "";
  unsigned char local[30], *all;
  Directory d;
  int64_t offset = -1;
  int method = 0, encrypted = 0;

  if (FindDirectory(b->file, file_size, &d)) return "is not a zip archive, or is cut off";
  all = malloc((size_t)d.bytes + 1);
  if (!all || ReadAt(b->file, d.at, (size_t)d.bytes, all)) {
    free(all);
    return "is damaged: its directory cannot be read";
  }
  for (int64_t at = 0; at + 46 <= d.bytes && !memcmp(all + at, "PK\1\2", 4);) {
    const unsigned char *entry = all + at;
    const int64_t length =
        46 + (int64_t)(Little(entry + 28, 2) + Little(entry + 30, 2) + Little(entry + 32, 2));
    if (length > d.bytes - at) break;
    if (IsNamed(entry, member)) {
      Sizes(entry, &b->size, &b->stored, &offset);
      method = (int)Little(entry + 10, 2);
      b->sum = (uint32_t)Little(entry + 16, 4);
      b->member = 1;
      encrypted = (int)(Little(entry + 8, 2) & 1);
    } else
      AddName(entry, known, sizeof known);
    at += length;
  }
  free(all);
  if (offset < 0) {
    snprintf(text, TEXT, "has no array '%s'; it has %s", member, known[0] ? known : "none");
    return text;
  }
  if (encrypted || (method != 0 && method != 8))
    return "is packed in a way that is neither stored nor deflated";
  if (ReadAt(b->file, offset, sizeof local, local) || memcmp(local, "PK\3\4", 4))
    return "is damaged: an array is not where its directory says";
  b->begin = offset + 30 + (int64_t)(Little(local + 26, 2) + Little(local + 28, 2));
  b->deflated = method == 8;
  if (b->begin > file_size || b->stored > file_size - b->begin || b->size < 0 || b->stored < 0 ||
      (!b->deflated && b->size != b->stored))
    return "is cut off: an array is longer than the file";
  if (b->deflated && b->size / DEFLATE_MOST > b->stored + DEFLATE_MORE)
    return "is damaged: an array is longer than what it is packed in can become";
  return NULL;
}

/* ---- Bytes ---- */
RheoBytes RheoBytesOpen(const char *path, const char *member, char *text)
{
  RheoBytes b = calloc(1, sizeof *b);
  const char *wrong = NULL;

  text[0] = 0;
  if (b) b->file = fopen(path, "rb");
  if (!b || !b->file || fseeko(b->file, 0, SEEK_END)) {
    snprintf(text, TEXT, "cannot be read");
    RheoBytesClose(&b);
    return NULL;
  }
  b->size = b->stored = ftello(b->file);
  if (member) wrong = FindMember(b, b->size, member, text);
  if (!wrong && b->deflated && inflateInit2(&b->z, -MAX_WBITS) != Z_OK)
    wrong = "cannot be unpacked: no memory";
  if (wrong) {
    if (wrong != text) snprintf(text, TEXT, "%s", wrong);
    b->deflated = 0;
    RheoBytesClose(&b);
  }
  return b;
}

void RheoBytesClose(RheoBytes *bytes)
{
  if (*bytes && (*bytes)->deflated) inflateEnd(&(*bytes)->z);
  if (*bytes && (*bytes)->file) fclose((*bytes)->file);
  free(*bytes);
  *bytes = NULL;
}

int64_t RheoBytesSize(RheoBytes bytes)
{
  return bytes->size;
}
int RheoBytesIsDeflated(RheoBytes bytes)
{
  return bytes->deflated;
}

/* The next n bytes of a deflated member. */
static int Inflate(RheoBytes b, size_t n, unsigned char *to)
{
  while (n > 0) {
    if (b->z.avail_in == 0) {
      const int64_t left = b->stored - b->taken, more = left < INPUT ? left : INPUT;
      if (more <= 0 || ReadAt(b->file, b->begin + b->taken, (size_t)more, b->input)) return -1;
      b->z.next_in = b->input;
      b->z.avail_in = (uInt)more;
      b->taken += more;
    }
    const uInt part = n < (1U << 30) ? (uInt)n : 1U << 30;
    b->z.next_out = to;
    b->z.avail_out = part;
    const int status = inflate(&b->z, Z_NO_FLUSH);
    const size_t got = part - b->z.avail_out;
    to += got;
    n -= got;
    b->at += (int64_t)got;
    if (status != Z_OK && !(status == Z_STREAM_END && n == 0) && status != Z_BUF_ERROR) return -1;
  }
  return 0;
}

int RheoBytesRead(RheoBytes b, int64_t at, size_t n, void *to)
{
  unsigned char waste[4096];

  if (at < 0 || at > b->size || (int64_t)n > b->size - at) return -1;
  if (!b->deflated) return ReadAt(b->file, b->begin + at, n, to);
  if (at < b->at) {
    if (inflateReset(&b->z) != Z_OK) return -1;
    b->z.avail_in = 0;
    b->at = b->taken = 0;
  }
  while (b->at < at)
    if (Inflate(b, (size_t)(at - b->at < (int64_t)sizeof waste ? at - b->at : (int64_t)sizeof waste), waste))
      return -1;
  return Inflate(b, n, to);
}

int RheoBytesAreSound(RheoBytes b)
{
  uLong sum = crc32(0, NULL, 0);
  unsigned char *piece = b->member ? malloc(INPUT) : NULL;
  int sound = !b->member || piece;

  for (int64_t at = 0, n; b->member && sound && at < b->size; at += n) {
    n = b->size - at < INPUT ? b->size - at : INPUT;
    sound = !RheoBytesRead(b, at, (size_t)n, piece);
    if (sound) sum = crc32(sum, piece, (uInt)n);
  }
  free(piece);
  return sound && (!b->member || sum == b->sum);
}
