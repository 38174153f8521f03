/*
 * The C side of sensor.ts: measures 1000 times a second, COUNT times or until Ctrl-C, and publishes each
 * reading. The last one says that it is the last.
 *
 *     ./sensor 2000
 */
#include "shm_latest.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "reading.h"

static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static int failed(const struct ShmError *error) {
  char line[512];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "error: %s\n", line);
  return 1;
}

int main(int argc, char **argv) {
  const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 3000;
  struct ShmLatest latest;
  struct ShmLatestWriter writer;
  struct ShmLatestOptions options = shm_latest_options(0x5eed1032);
  options.type = Reading_MESSAGE_TYPE;
  options.size = sizeof(struct Reading);
  if (shm_latest_open_or_create(&latest, &options, NULL) != SHM_OK) return failed(&latest.error);
  if (shm_latest_open_writer(&writer, &latest) != SHM_OK) return failed(&writer.error);
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  for (uint32_t number = 1, last = 0; last == 0; number++) {
    last = number == count || stopped;
    const struct Reading reading = {20.0 + 4.0 * sin(number / 300.0), number, last};
    if (shm_latest_write(&writer, &reading, sizeof reading) != SHM_OK) return failed(&writer.error);
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  shm_latest_close_writer(&writer);
  shm_latest_leave(&latest);
  return 0;
}
