/*
 * Publishes the load of this machine as the latest value, ten times a second, from C. To be copied and
 * changed.
 *
 *   make -C c && c/build/latest_writer 0x5eed0043
 *
 * What it needs: this file and the headers that shm_latest.h names. Any peer reads, in any language:
 * c/build/latest_reader 0x5eed0043, or the command `latest watch`.
 */
#include "shm_latest.h"

/* The value. The same text in `parseStruct` of TypeScript gives the same layout. */
struct Load {
  uint64_t ticks; /* since the writer started */
  double one, five, fifteen;
};

/* States the struct in the header: programs with another one refuse it. `struct --c` prints this. */
#define LOAD_MESSAGE_TYPE "ticks:u64@0;one:f64@8;five:f64@16;fifteen:f64@24;32"

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "latest_writer: %s\n", line);
  return 1;
}

/* Writes in place, which saves a copy: readers see the value when it is committed, and never before. */
static int write_loads(struct ShmLatestWriter *writer) {
  const struct timespec pause = {0, 100000000};
  for (uint64_t ticks = 0; !stop; ticks++) {
    void *place;
    if (shm_latest_begin(writer, &place) != SHM_OK) return fail(&writer->error);
    struct Load *const load = (struct Load *)place;
    double averages[3] = {0, 0, 0};
    if (getloadavg(averages, 3) == -1) perror("latest_writer: cannot read the load");
    load->ticks = ticks;
    load->one = averages[0];
    load->five = averages[1];
    load->fifteen = averages[2];
    if (shm_latest_commit(writer, sizeof *load) != SHM_OK) return fail(&writer->error);
    nanosleep(&pause, NULL);
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: latest_writer KEY\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  /* the first process creates it; the type states the size too */
  struct ShmLatestOptions options =
      shm_latest_options((key_t)strtoul(arguments[1], NULL, 0));
  options.type = LOAD_MESSAGE_TYPE;
  struct ShmLatest latest;
  if (shm_latest_open_or_create(&latest, &options, NULL) != SHM_OK) return fail(&latest.error);

  /* the one writer, until it is closed or this process dies */
  struct ShmLatestWriter writer;
  const int code = shm_latest_open_writer(&writer, &latest) == SHM_OK ? write_loads(&writer)
                                                                      : fail(&writer.error);

  shm_latest_close_writer(&writer);
  shm_latest_leave(&latest);
  return code;
}
