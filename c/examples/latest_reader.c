/*
 * Prints the load that latest_writer publishes, each time there is a newer one, from C. To be copied
 * and changed.
 *
 *   make -C c && c/build/latest_reader 0x5eed0043
 *
 * What it needs: this file and the headers that shm_latest.h names. It opens the value read-only: that
 * takes no permission to write, and any number of readers leave the writer as fast as it is.
 */
#include "shm_latest.h"

/* As in latest_writer.c. */
struct Load {
  uint64_t ticks;
  double one, five, fifteen;
};

#define LOAD_MESSAGE_TYPE "ticks:u64@0;one:f64@8;five:f64@16;fifteen:f64@24;32"

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "latest_reader: %s\n", line);
  return 1;
}

static int print_loads(struct ShmLatestReader *reader) {
  /* waits for the next value forever, until Ctrl-C */
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.stop = &stop;
  for (;;) {
    struct Load load;
    struct ShmLatestValue value;
    const enum ShmStatus status =
        shm_latest_next(reader, &load, sizeof load, &value, &wait);
    if (status == SHM_STOPPED) return 0;
    if (status != SHM_OK) return fail(&reader->error);
    printf("%llu: %.2f %.2f %.2f (%llu skipped)\n", (unsigned long long)value.version, load.one,
           load.five, load.fifteen, (unsigned long long)value.skipped);
    if (fflush(stdout) != 0) return 1;
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: latest_reader KEY\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  struct ShmLatestOptions options =
      shm_latest_options((key_t)strtoul(arguments[1], NULL, 0));
  options.type = LOAD_MESSAGE_TYPE;
  struct ShmLatest latest;
  if (shm_latest_open_read_only(&latest, &options, NULL) != SHM_OK) return fail(&latest.error);

  struct ShmLatestReader reader;
  const int code = shm_latest_open_reader(&reader, &latest) == SHM_OK ? print_loads(&reader)
                                                                      : fail(&reader.error);

  shm_latest_close_reader(&reader);
  shm_latest_leave(&latest);
  return code;
}
