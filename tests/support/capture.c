#include "capture.h"
#include "check.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CAPTURE_BYTES = 1 << 16 };

Capture CaptureStart(int descriptor, int terminal)
{
  Capture capture = {descriptor, dup(descriptor), -1};
  int to;
  fflush(NULL);
  if (terminal) {
    capture.other = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(capture.other >= 0 && !grantpt(capture.other) && !unlockpt(capture.other));
    to = open(ptsname(capture.other), O_RDWR | O_NOCTTY);
  } else {
    FILE *file = tmpfile();
    assert_non_null(file);
    to = dup(fileno(file));
    capture.other = dup(to);
    fclose(file);
  }
  assert_true(to >= 0);
  dup2(to, descriptor);
  close(to);
  return capture;
}

char *CaptureEnd(Capture *capture)
{
  char *text = calloc(1, CAPTURE_BYTES);
  fflush(NULL);
  if (!isatty(capture->descriptor)) lseek(capture->other, 0, SEEK_SET);
  fcntl(capture->other, F_SETFL, O_NONBLOCK);
  ssize_t n, used = 0;
  while (used < CAPTURE_BYTES - 1 &&
         (n = read(capture->other, text + used, (size_t)(CAPTURE_BYTES - 1 - used))) > 0)
    used += n;
  dup2(capture->saved, capture->descriptor);
  close(capture->saved);
  close(capture->other);
  return text;
}
