/*
 * One side of the reads of latest_reads.ts in C: `latest_reads write KEY 0` writes values without a pause until
 * SIGTERM, `latest_reads read KEY READS` reads so often and prints "torn=N values=N".
 */
#include "shm_latest.h"

#define WORDS 16

static volatile sig_atomic_t stopped = 0;

static void stop(int number) {
  (void)number;
  stopped = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  return 1;
}

static int write_values(struct ShmLatest *latest) {
  struct ShmLatestWriter writer;
  uint32_t value[WORDS];
  if (shm_latest_open_writer(&writer, latest) != SHM_OK) return fail(&writer.error);
  puts("ready");
  fflush(stdout);
  while (!stopped) {
    for (int i = 0; i < WORDS; i++) value[i] = (uint32_t)writer.version + 1;
    if (shm_latest_write(&writer, value, sizeof value) != SHM_OK) return fail(&writer.error);
  }
  shm_latest_close_writer(&writer);
  return 0;
}

static int read_values(struct ShmLatest *latest, uint64_t reads) {
  struct ShmLatestReader reader;
  struct ShmLatestValue about;
  uint32_t value[WORDS];
  uint64_t torn = 0, values = 0, last = 0;
  shm_latest_open_reader(&reader, latest);
  for (uint64_t n = 0; n < reads; n++) {
    const enum ShmStatus status = shm_latest_read(&reader, value, sizeof value, &about);
    if (status == SHM_EMPTY || status == SHM_BUSY) continue;
    if (status != SHM_OK) return fail(&reader.error);
    bool whole = about.version >= last && about.length == sizeof value;
    for (int i = 0; i < WORDS; i++) whole = whole && value[i] == (uint32_t)about.version;
    torn += !whole;
    values += about.version != last;
    last = about.version;
  }
  printf("torn=%llu values=%llu\n", (unsigned long long)torn, (unsigned long long)values);
  return 0;
}

int main(int count, char **words) {
  struct ShmLatest latest;
  if (count != 4) return 2;
  const struct ShmLatestOptions options = shm_latest_options((key_t)strtoul(words[2], NULL, 0));
  signal(SIGTERM, stop);
  if (shm_latest_open(&latest, &options, NULL) != SHM_OK) return fail(&latest.error);
  const int code = strcmp(words[1], "write") == 0
                       ? write_values(&latest)
                       : read_values(&latest, strtoull(words[3], NULL, 0));
  shm_latest_leave(&latest);
  return code;
}
