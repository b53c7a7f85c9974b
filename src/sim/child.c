#include "child.h"
#include "../base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_LINE = 1 << 26 };

struct RheoChild_ {
  char *command, **environment;
  pid_t pid; /* 0: not running */
  int to, from, fresh;
  char *buffer; /* what it printed and nobody has taken yet */
  size_t n_buffer, size;
  size_t scanned; /* of the buffer, without a newline */
};

extern char **environ;

static double Now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

PetscErrorCode RheoChildCreate(const char *command, const char *folder, RheoChild *child)
{
  size_t n = 0;
  char variable[PETSC_MAX_PATH_LEN + 32];
  PetscFunctionBeginUser;
  PetscCall(PetscNew(child));
  PetscCall(PetscStrallocpy(command, &(*child)->command));
  while (environ[n]) ++n;
  PetscCall(PetscCalloc1(n + 2, &(*child)->environment));
  memcpy((*child)->environment, environ, n * sizeof *environ);
  snprintf(variable, sizeof variable, "RHEO_DECK_DIR=%s", folder);
  for (size_t i = 0; i < n; ++i) { /* not twice where one run starts another */
    if (!strncmp(environ[i], "RHEO_DECK_DIR=", 14)) (*child)->environment[i] = (*child)->environment[--n];
  }
  (*child)->environment[n + 1] = NULL;
  PetscCall(PetscStrallocpy(variable, &(*child)->environment[n]));
  PetscFunctionReturn(RHEO_OK);
}

/* Our ends do not block and are not inherited by other programs that the job starts. */
static int OpenPipes(int in[2], int out[2])
{
  if (pipe2(in, O_CLOEXEC)) return -1;
  if (pipe2(out, O_CLOEXEC)) {
    close(in[0]);
    close(in[1]);
    return -1;
  }
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  return 0;
}

PetscErrorCode RheoChildStart(RheoChild child)
{
  int in[2], out[2];
  char shell[] = "/bin/sh", option[] = "-c";
  char *argv[] = {shell, option, child->command, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, standard;
  PetscFunctionBeginUser;
  if (child->pid) PetscFunctionReturn(RHEO_OK);
  PetscCheck(!OpenPipes(in, out), PETSC_COMM_SELF, PETSC_ERR_SYS, "cannot open pipes: %s", strerror(errno));
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  const int failed = posix_spawn(&child->pid, shell, &actions, &attributes, argv, child->environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  child->to = in[1];
  child->from = out[0];
  child->n_buffer = child->scanned = 0;
  child->fresh = 1;
  if (failed) {
    child->pid = 0;
    close(child->to);
    close(child->from);
  }
  PetscCheck(!failed, PETSC_COMM_SELF, PETSC_ERR_SYS, "cannot start /bin/sh: %s", strerror(failed));
  PetscFunctionReturn(RHEO_OK);
}

/* Waits for the end of the program at most `seconds`; 1 where it came. */
static int Reap(RheoChild child, double seconds, int *status)
{
  const double end = Now() + seconds;
  for (;;) {
    const pid_t pid = waitpid(child->pid, status, WNOHANG);
    if (pid == child->pid) return 1;
    if (pid < 0 && errno != EINTR) { /* the host reaps its children itself */
      *status = 0;
      return 1;
    }
    if (Now() >= end) return 0;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

static void Forget(RheoChild child)
{
  if (child->to >= 0) close(child->to);
  close(child->from);
  child->pid = 0;
  child->n_buffer = child->scanned = 0;
}

void RheoChildKill(RheoChild child)
{
  int status;
  if (!child->pid) return;
  kill(-child->pid, SIGKILL);
  Reap(child, 60, &status); /* a process that sleeps in the kernel may outlive even SIGKILL for a while */
  Forget(child);
}

void RheoChildObituary(RheoChild child, char *text, size_t size, int *code)
{
  int status;
  *code = -1;
  if (!child->pid) {
    snprintf(text, size, "is not running");
    return;
  }
  if (!Reap(child, 0.5, &status)) {
    snprintf(text, size, "closed its output");
    RheoChildKill(child);
    return;
  }
  if (WIFSIGNALED(status)) {
    snprintf(text, size, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  } else {
    *code = WEXITSTATUS(status);
    snprintf(text, size, "ended with exit status %d", *code);
  }
  kill(-child->pid, SIGKILL); /* what it started itself */
  Forget(child);
}

PetscErrorCode RheoChildDestroy(RheoChild *child)
{
  int status;
  size_t n = 0;
  PetscFunctionBeginUser;
  if (!*child) PetscFunctionReturn(RHEO_OK);
  RheoChild c = *child;
  if (RheoChildIdle(c, 0) == RHEO_CHILD_SURPLUS) {
    RheoLog(PETSC_COMM_SELF, RHEO_LOG_ERROR,
            "a command printed more lines than it was given; do not trust its data");
  }
  if (c->pid) {
    close(c->to);
    c->to = -1;
    const pid_t group = c->pid;
    const int ended = Reap(c, 2, &status);
    kill(-group, SIGKILL);
    if (!ended) Reap(c, 60, &status);
    Forget(c);
  }
  while (c->environment[n]) ++n;
  PetscCall(PetscFree(c->environment[n - 1])); /* the one that is ours */
  PetscCall(PetscFree(c->environment));
  PetscCall(PetscFree(c->command));
  free(c->buffer);
  PetscCall(PetscFree(*child));
  PetscFunctionReturn(RHEO_OK);
}

int RheoChildFresh(RheoChild child)
{
  return !child->pid || child->fresh;
}

/* Reads what is there: 1 something, 0 nothing now, -1 the end. */
static int ReadSome(RheoChild child)
{
  if (child->n_buffer + 1 >= child->size) {
    child->size = child->size ? 2 * child->size : 65536;
    char *larger = realloc(child->buffer, child->size);
    if (!larger) return -1;
    child->buffer = larger;
  }
  const ssize_t n = read(child->from, child->buffer + child->n_buffer, child->size - child->n_buffer - 1);
  if (n > 0) child->n_buffer += (size_t)n;
  if (n == 0) return -1;
  return n > 0 ? 1 : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* A write to a program that has ended raises SIGPIPE, which by default would end us: it is blocked in this thread and
 * taken out of the pending ones, unless it was there before. Returns what was written, -1 where the pipe is broken. */
static ssize_t WriteSome(RheoChild child, const char *text, size_t length)
{
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ssize_t n = write(child->to, text, length);
  const int reason = errno;
  if (n < 0 && reason == EPIPE && !sigismember(&pending, SIGPIPE)) {
    while (sigtimedwait(&pipe_signal, NULL, &(struct timespec){0}) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return n >= 0 ? n : reason == EAGAIN || reason == EINTR ? 0 : -1;
}

RheoChildOutcome RheoChildIdle(RheoChild child, double wait)
{
  if (!child->pid) return RHEO_CHILD_ANSWERED;
  struct pollfd from = {child->from, POLLIN, 0};
  if (!child->n_buffer && poll(&from, 1, (int)(1000 * wait)) > 0 && ReadSome(child) < 0) {
    RheoChildKill(child);
    return RHEO_CHILD_ANSWERED;
  }
  return child->n_buffer ? RHEO_CHILD_SURPLUS : RHEO_CHILD_ANSWERED;
}

/* Hands the complete lines of the buffer on, at most up to line n; 0 where one was refused. */
static int TakeLines(RheoChild child, int64_t n, RheoChildReceiver receiver, void *context, int64_t *n_lines)
{
  char *line = child->buffer, *end = child->buffer + child->n_buffer, *from = line + child->scanned, *stop;
  int liked = 1;
  while (liked && *n_lines < n && from < end && (stop = memchr(from, '\n', (size_t)(end - from)))) {
    *stop = 0;
    liked = receiver(context, *n_lines, line);
    *n_lines += liked;
    line = from = stop + 1;
  }
  child->scanned = (size_t)(end - line);
  child->n_buffer = (size_t)(end - line);
  if (line != child->buffer && child->n_buffer) memmove(child->buffer, line, child->n_buffer);
  return liked && child->n_buffer < LONGEST_LINE;
}

RheoChildOutcome RheoChildExchange(RheoChild child, const char *text, size_t length, int64_t n,
                                   double seconds, RheoChildReceiver receiver, void *context,
                                   int64_t *n_lines)
{
  double end = Now() + seconds;
  size_t written = 0;
  *n_lines = 0;
  while (*n_lines < n) {
    const double left = end - Now();
    if (left <= 0) return RHEO_CHILD_SILENT;
    struct pollfd fds[2] = {{child->from, POLLIN, 0}, {child->to, POLLOUT, 0}};
    if (poll(fds, written < length ? 2 : 1, left < 1000 ? (int)(1000 * left) + 1 : 1000000) < 0) continue;
    if (written < length && fds[1].revents) {
      const ssize_t m = WriteSome(child, text + written, length - written);
      written = m < 0 ? length : written + (size_t)m; /* broken: what it still says will tell */
    }
    if (!fds[0].revents) continue;
    const int64_t before = *n_lines;
    const int more = ReadSome(child);
    if (more > 0 && !TakeLines(child, n, receiver, context, n_lines)) return RHEO_CHILD_REFUSED;
    if (*n_lines > before) {
      end = Now() + seconds;
      child->fresh = 0;
    }
    if (more < 0) return RHEO_CHILD_ENDED;
  }
  return child->n_buffer ? RHEO_CHILD_SURPLUS : RHEO_CHILD_ANSWERED;
}
