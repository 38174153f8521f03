/*
 * pty COMMAND [ARG...]: runs COMMAND on a terminal of its own, 24 lines of 80, and stands between:
 * what comes on stdin is typed there, what appears there goes to stdout. Ends as COMMAND does, with
 * 128 + n for signal n. When stdin ends the terminal goes on; to end input type Ctrl-D, "\x04".
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(99);
}

/* Passes on what is there to read; 0 when there will be no more. */
static int pass(int from, int to) {
  char bytes[4096];
  ssize_t count;
  do count = read(from, bytes, sizeof bytes);
  while (count < 0 && errno == EINTR);
  if (count <= 0) return 0; /* a terminal whose last program has ended gives EIO */
  for (ssize_t done = 0; done < count;) {
    ssize_t written = write(to, bytes + done, count - done);
    if (written < 0 && errno != EINTR) fail("write");
    if (written > 0) done += written;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: pty COMMAND [ARG...]\n");
    return 99;
  }
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  int terminal;
  pid_t child = forkpty(&terminal, NULL, NULL, &size);
  if (child < 0) fail("forkpty");
  if (child == 0) {
    execvp(argv[1], argv + 1);
    fail(argv[1]);
  }
  struct pollfd ends[] = {{terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  for (;;) {
    if (poll(ends, 2, -1) < 0 && errno != EINTR) fail("poll");
    if (ends[1].revents && !pass(STDIN_FILENO, terminal)) ends[1].fd = -1;
    if (ends[0].revents && !pass(terminal, STDOUT_FILENO)) break;
  }
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
