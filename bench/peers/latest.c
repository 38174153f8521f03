/* The newest value in C: the twin of latest.ts, see there. */
#include "../../c/shm_latest.h"

#include "peer.h"

/* 64 bytes */
struct Pose {
  double x, y, z, a, b, c, d, time;
};

enum { AT_ONCE = 1000 };
enum Phase { PHASE_WRITE, PHASE_READ, PHASE_BOTH, PHASE_END };

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[512];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "error: %s\n", line);
  exit(1);
}

static void open_latest(struct ShmLatest *latest, key_t key) {
  struct ShmLatestOptions options = shm_latest_options(key);
  options.size = sizeof(struct Pose);
  check(shm_latest_open_or_create(latest, &options, NULL), &latest->error);
}

/* One end of a round trip: what it writes, and what it waits for. */
struct Ends {
  struct ShmLatest written, awaited;
  struct ShmLatestWriter writer;
  struct ShmLatestReader reader;
};

static void open_ends(struct Ends *ends, key_t written, key_t awaited) {
  open_latest(&ends->written, written);
  open_latest(&ends->awaited, awaited);
  check(shm_latest_open_writer(&ends->writer, &ends->written), &ends->writer.error);
  check(shm_latest_open_reader(&ends->reader, &ends->awaited), &ends->reader.error);
}

static void await_next(struct Ends *ends, void *buffer) {
  struct ShmLatestValue value;
  check(shm_latest_next(&ends->reader, buffer, sizeof(struct Pose), &value, NULL),
        &ends->reader.error);
}

static void close_ends(struct Ends *ends) {
  shm_latest_close_writer(&ends->writer);
  shm_latest_close_reader(&ends->reader);
  shm_latest_leave(&ends->written);
  shm_latest_leave(&ends->awaited);
}

static void ping(const struct Part *part, key_t key) {
  static struct Ends ends;
  unsigned char message[sizeof(struct Pose)] = {0}, answer[sizeof message];
  open_ends(&ends, key, key + 1);
  await_next(&ends, answer);
  struct RoundTrips trips = trips_begin(part);
  for (long i = 0; trips_open(&trips, part); i++) {
    trips_pause(&trips, part);
    message[0] = (unsigned char)i;
    check(shm_latest_write(&ends.writer, message, part->size), &ends.writer.error);
    await_next(&ends, answer);
    trips_done(&trips);
  }
  trips_end(&trips, part);
  close_ends(&ends);
}

static void pong(const struct Part *part, key_t key) {
  static struct Ends ends;
  unsigned char message[sizeof(struct Pose)] = {0};
  open_ends(&ends, key + 1, key);
  const struct Meter meter = meter_begin();
  check(shm_latest_write(&ends.writer, message, part->size), &ends.writer.error);
  for (long left = part->warm + part->count; left > 0; left--) {
    await_next(&ends, message);
    check(shm_latest_write(&ends.writer, message, part->size), &ends.writer.error);
  }
  meter_end(&meter, "pong", part->count);
  close_ends(&ends);
}

/* The word of the phase, in a segment of its own. */
static int *phase_of(key_t key) {
  const int id = shmget(key + 1, sizeof(int), IPC_CREAT | 0600);
  void *const address = id == -1 ? (void *)-1 : shmat(id, NULL, 0);
  if (address == (void *)-1) fail("the segment of the phase");
  return (int *)address;
}

static void enter(int *phase, enum Phase next) { __atomic_store_n(phase, next, __ATOMIC_SEQ_CST); }

static void await_after(const int *phase, enum Phase before) {
  while (__atomic_load_n(phase, __ATOMIC_SEQ_CST) == (int)before) sleep_ms(1);
}

/* Nanoseconds of one of the works, done AT_ONCE at a time for so many milliseconds. */
static double nanoseconds(long ms, void (*work)(void *), void *argument) {
  for (int i = 0; i < 20; i++) work(argument);
  const double begin = now_ns();
  double now = begin;
  double done = 0;
  for (; now - begin < (double)ms * 1e6; now = now_ns()) {
    work(argument);
    done += AT_ONCE;
  }
  return (now - begin) / done;
}

/* Written as the program would: the compiler must not take it out of the loop. */
static struct Pose pose = {1, 2, 3, 4, 5, 6, 7, 0};
static volatile double sum;

static void writing(void *argument) {
  struct ShmLatestWriter *const writer = (struct ShmLatestWriter *)argument;
  for (int i = 0; i < AT_ONCE; i++) {
    pose.time += 1;
    shm_latest_write(writer, &pose, sizeof pose);
  }
}

static void reading(void *argument) {
  struct ShmLatestReader *const reader = (struct ShmLatestReader *)argument;
  struct ShmLatestValue value;
  struct Pose copy;
  for (int i = 0; i < AT_ONCE; i++) {
    shm_latest_read(reader, &copy, sizeof copy, &value);
    sum += copy.time;
  }
}

static void reading_plainly(void *argument) {
  (void)argument;
  for (int i = 0; i < AT_ONCE; i++) {
    struct Pose copy;
    memcpy(&copy, &pose, sizeof copy);
    __asm__ volatile("" : : "r"(&copy) : "memory");
    sum += copy.time;
  }
}

static void write_side(const struct Part *part, key_t key) {
  static struct ShmLatest latest;
  struct ShmLatestWriter writer;
  int *const phase = phase_of(key);
  open_latest(&latest, key);
  check(shm_latest_open_writer(&writer, &latest), &writer.error);
  const double each = nanoseconds(part->pause, writing, &writer);
  enter(phase, PHASE_READ);
  await_after(phase, PHASE_READ);
  while (__atomic_load_n(phase, __ATOMIC_SEQ_CST) == PHASE_BOTH) writing(&writer);
  printf("{\"role\":\"write\",\"figures\":{\"write\":%.3f,\"write, bytes\":%.3f}}\n", each, each);
  shm_latest_close_writer(&writer);
  shm_latest_leave(&latest);
  shmctl(shmget(key + 1, 0, 0), IPC_RMID, NULL);
}

static void read_side(const struct Part *part, key_t key) {
  static struct ShmLatest latest;
  struct ShmLatestReader reader;
  int *const phase = phase_of(key);
  await_after(phase, PHASE_WRITE);
  open_latest(&latest, key);
  check(shm_latest_open_reader(&reader, &latest), &reader.error);
  const double plain = nanoseconds(part->pause, reading_plainly, NULL);
  const double quiet = nanoseconds(part->pause, reading, &reader);
  enter(phase, PHASE_BOTH);
  const double busy = nanoseconds(part->pause, reading, &reader);
  enter(phase, PHASE_END);
  printf("{\"role\":\"read\",\"figures\":{\"plain read\":%.3f,\"read\":%.3f,"
         "\"read, writer at full speed\":%.3f}}\n",
         plain, quiet, busy);
  shm_latest_leave(&latest);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  const key_t key = (key_t)atol(part.address);
  if (strcmp(part.role, "ping") == 0) ping(&part, key);
  else if (strcmp(part.role, "pong") == 0) pong(&part, key);
  else if (strcmp(part.role, "write") == 0) write_side(&part, key);
  else if (strcmp(part.role, "read") == 0) read_side(&part, key);
  else return 2;
  return 0;
}
