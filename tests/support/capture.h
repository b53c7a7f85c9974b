/* What a test writes to one of its own files, such as stderr. */
#pragma once

typedef struct {
  int descriptor, saved, other; /* other: the end to read from of a terminal */
} Capture;

/* From here on what goes to the descriptor is kept. With terminal it looks like one to the writer. */
Capture CaptureStart(int descriptor, int terminal);
char *CaptureEnd(Capture *capture); /* the text, to be freed with free; the descriptor is what it was */
