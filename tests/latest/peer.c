/*
 * A peer of a latest value, in C, for tests. gcc -std=gnu11 -O2 -I c tests/latest/peer.c
 *
 *   peer write KEY COUNT   writes COUNT values (0: until stopped)
 *   peer read KEY VERSION  reads until it has one of that version or a later one (0: until stopped)
 *   peer next KEY COUNT    waits COUNT times for a newer value (0: until stopped)
 *
 * Options, in any place:
 *   --size S       bytes of the longest value; to write without it, 64
 *   --cells N      of a latest value that is not there yet
 *   --lengths L    write: values of 8 to L bytes instead of --size bytes
 *   --type TEXT    the message type
 *   --in-place     write: begin and commit instead of write
 *   --half         write: begins one more value at the end and waits for a signal
 *   --read-only    read, next: opens read-only
 *   --trust        whatever user created it
 *   --pause US     write: sleeps so many microseconds after each value
 *   --timeout S    ends with an error when waiting longer than that for one thing (30)
 *   --spin N       how often to look before sleeping
 *
 * The value of version v and n bytes: 8 at a time v, v * K + 1, v * K + 2..., cut off after n
 * bytes.
 *
 * stdout: "ready PID" with its role; at the end a line of "word name=number ...". Exit code 0; 1
 * with a line on stderr after an error or a wrong value; 2 for wrong usage. SIGTERM ends it as
 * COUNT would.
 */
#include "shm_latest.h"

static volatile sig_atomic_t stopped = 0;
static struct ShmLatest latest;

static struct {
  struct ShmLatestOptions latest;
  bool in_place, half, read_only;
  uint32_t lengths, spin;
  long pause;
  double timeout;
} options;

static void on_signal(int number) {
  (void)number;
  stopped = 1;
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fputs("peer: ", stderr);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  fflush(stdout);
  _exit(1);
}

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  die("%s", line);
}

static struct ShmWait patience(void) {
  struct ShmWait wait = shm_within((int64_t)(options.timeout * 1e9));
  wait.stop = &stopped;
  wait.spin = options.spin;
  return wait;
}

static void ready(void) {
  printf("ready %ld\n", (long)getpid());
  fflush(stdout);
}

static uint64_t word_of(uint64_t version, uint32_t at) {
  return at == 0 ? version : version * 0x9e3779b97f4a7c15U + at / 8;
}

static void fill(unsigned char *bytes, uint64_t version, uint32_t length) {
  for (uint32_t at = 0; at < length; at += 8) {
    const uint64_t word = word_of(version, at);
    memcpy(bytes + at, &word, length - at < 8 ? length - at : 8);
  }
}

static void check_value(const unsigned char *bytes, const struct ShmLatestValue *value) {
  for (uint32_t at = 0; at < value->length; at += 8) {
    const uint64_t word = word_of(value->version, at);
    if (memcmp(bytes + at, &word, value->length - at < 8 ? value->length - at : 8) != 0) {
      die("version %llu of %lu bytes is wrong at byte %lu", (unsigned long long)value->version,
          (unsigned long)value->length, (unsigned long)at);
    }
  }
}

static void open_latest(key_t key, bool create) {
  const struct ShmWait wait = patience();
  options.latest.key = key;
  check(create              ? shm_latest_open_or_create(&latest, &options.latest, &wait)
        : options.read_only ? shm_latest_open_read_only(&latest, &options.latest, &wait)
                            : shm_latest_open(&latest, &options.latest, &wait),
        &latest.error);
}

static void write_values(key_t key, uint64_t count) {
  static struct ShmLatestWriter writer;
  void *place;
  if (options.latest.size == 0 && options.latest.type == NULL) options.latest.size = 64;
  open_latest(key, true);
  unsigned char *const bytes = (unsigned char *)malloc(latest.size);
  if (bytes == NULL) die("no memory");
  check(shm_latest_open_writer(&writer, &latest), &writer.error);
  ready();
  uint64_t written = 0;
  for (; (count == 0 || written < count) && !stopped; written++) {
    const uint64_t version = writer.version + 1;
    const uint32_t length =
        options.lengths != 0 ? 8 + (uint32_t)(version % (options.lengths - 7)) : latest.size;
    if (options.in_place) {
      check(shm_latest_begin(&writer, &place), &writer.error);
      fill((unsigned char *)place, version, length);
      check(shm_latest_commit(&writer, length), &writer.error);
    } else {
      fill(bytes, version, length);
      check(shm_latest_write(&writer, bytes, length), &writer.error);
    }
    if (options.pause != 0) {
      const struct timespec moment = shmi_timespec(options.pause * 1000);
      nanosleep(&moment, NULL);
    }
  }
  if (options.half) {
    check(shm_latest_begin(&writer, &place), &writer.error);
    memset(place, 0xee, latest.size);
    puts("half");
    fflush(stdout);
    while (!stopped) pause();
  }
  printf("wrote values=%llu version=%llu\n", (unsigned long long)written,
         (unsigned long long)writer.version);
  free(bytes);
  shm_latest_close_writer(&writer);
}

static void read_values(key_t key, uint64_t count, bool next) {
  static struct ShmLatestReader reader;
  open_latest(key, false);
  unsigned char *const bytes = (unsigned char *)malloc(latest.size);
  if (bytes == NULL) die("no memory");
  check(shm_latest_open_reader(&reader, &latest), &reader.error);
  ready();
  uint64_t reads = 0, skipped = 0, distinct = 0, version = 0;
  while (!stopped && (count == 0 || (next ? distinct : version) < count)) {
    struct ShmLatestValue value;
    const struct ShmWait wait = patience();
    const enum ShmStatus status = next ? shm_latest_next(&reader, bytes, latest.size, &value, &wait)
                                       : shm_latest_read(&reader, bytes, latest.size, &value);
    if (status == SHM_EMPTY) continue;
    if (status == SHM_STOPPED) break;
    check(status, &reader.error);
    check_value(bytes, &value);
    if (value.version < version) die("version %llu comes back", (unsigned long long)value.version);
    if (value.version != version) {
      distinct++;
      if (version != 0 && value.skipped != value.version - version - 1) die("skipped is wrong");
    }
    reads++;
    skipped += value.skipped;
    version = value.version;
  }
  printf("read values=%llu distinct=%llu skipped=%llu version=%llu\n", (unsigned long long)reads,
         (unsigned long long)distinct, (unsigned long long)skipped, (unsigned long long)version);
  free(bytes);
  shm_latest_close_reader(&reader);
}

/* ---- the command line ------------------------------------------------------------------------ */

__attribute__((noreturn)) static void usage(const char *what) {
  fprintf(stderr, "peer: %s; see the head of peer.c\n", what);
  _exit(2);
}

static bool take_value(const char *name, const char *value) {
  if (strcmp(name, "--size") == 0) options.latest.size = (uint32_t)strtoul(value, NULL, 0);
  else if (strcmp(name, "--cells") == 0) options.latest.cells = (uint32_t)strtoul(value, NULL, 0);
  else if (strcmp(name, "--lengths") == 0) options.lengths = (uint32_t)strtoul(value, NULL, 0);
  else if (strcmp(name, "--type") == 0) options.latest.type = value;
  else if (strcmp(name, "--pause") == 0) options.pause = strtol(value, NULL, 0);
  else if (strcmp(name, "--timeout") == 0) options.timeout = strtod(value, NULL);
  else if (strcmp(name, "--spin") == 0) options.spin = (uint32_t)strtoul(value, NULL, 0);
  else return false;
  return true;
}

static bool take_flag(const char *name) {
  if (strcmp(name, "--trust") == 0) options.latest.trust = true;
  else if (strcmp(name, "--in-place") == 0) options.in_place = true;
  else if (strcmp(name, "--half") == 0) options.half = true;
  else if (strcmp(name, "--read-only") == 0) options.read_only = true;
  else return false;
  return true;
}

int main(int count, char **arguments) {
  static const char *const results[] = {"in use", "unread", "kept", "not ours", "removed"};
  const char *words[3] = {0};
  int given = 0;
  options.latest = shm_latest_options(0);
  options.timeout = 30;
  options.spin = SHM_SPIN;
  for (int i = 1; i < count; i++) {
    if (take_flag(arguments[i])) continue;
    if (i + 1 < count && take_value(arguments[i], arguments[i + 1])) i++;
    else if (strncmp(arguments[i], "--", 2) == 0 || given == 3) usage(arguments[i]);
    else words[given++] = arguments[i];
  }
  if (given != 3) usage("three words were expected");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  const key_t key = (key_t)strtoul(words[1], NULL, 0);
  const uint64_t many = strtoull(words[2], NULL, 0);
  if (strcmp(words[0], "write") == 0) write_values(key, many);
  else if (strcmp(words[0], "read") == 0) read_values(key, many, false);
  else if (strcmp(words[0], "next") == 0) read_values(key, many, true);
  else usage("write, read or next was expected");
  puts(results[shm_latest_leave(&latest)]);
  return 0;
}
