/* Two pipes in C. ADDRESS is PATH: the named pipes are PATH.there and PATH.back. */
#include <fcntl.h>
#include <sys/stat.h>

#include "streams.h"

/* Opening blocks until the other side opens too. */
static int open_end(const struct Part *part, const char *which, int flags) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s", part->address, which);
  mkfifo(path, 0600); /* the side that comes second finds it there */
  const int end = open(path, flags);
  if (end < 0) fail(path);
  return end;
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  const bool starts = strcmp(part.role, "send") == 0 || strcmp(part.role, "ping") == 0;
  /* Both in the same order, or each waits for the other */
  const int there = open_end(&part, "there", starts ? O_WRONLY : O_RDONLY);
  const int back = open_end(&part, "back", starts ? O_RDONLY : O_WRONLY);
  return stream_play(&part, starts ? back : there, starts ? there : back) ? 0 : 2;
}
