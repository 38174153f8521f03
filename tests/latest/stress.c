/*
 * Writers and readers of a latest value as threads, for the sanitizers: sanitizers_test.ts builds
 * it with each of them and runs it.
 *
 *   stress KEY SEED VALUES PATIENCE
 *
 * Two writers take the role in turn and write in both ways, sometimes at full speed, sometimes only
 * when all readers have seen the value before. Readers read without waiting, wait, and begin again
 * with a new reader; one of them is read-only. Every value is checked: all its words are of its
 * version, and no version comes back. What only the writer uses is plain memory, so ThreadSanitizer
 * sees whether taking and closing order it.
 *
 * It is built with slices longer than PATIENCE seconds: after that time without progress it says
 * "stuck", as a wake was lost. Exit code 0; 1 with a line on stderr: what was wrong; 3: stuck.
 */
#include "shm_latest.h"

#include <pthread.h>
#include <sched.h>

#define WRITERS 2
#define READERS 4
#define LONGEST 4096

static struct ShmLatest latest, watched; /* watched: read-only */
static uint64_t wanted;
static int64_t patience;
static uint64_t progress, newest;
static uint64_t seen[READERS];
static bool over;
static uint64_t sleeps, reads;
static struct { uint64_t stints; } owned;
static uint64_t turns; /* how often the role was taken */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fputs("stress: ", stderr);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  shm_latest_remove(&latest);
  _exit(1);
}

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  die("status %d: %s", (int)status, line);
}

static uint32_t next_random(uint64_t *state) {
  *state += 0x9e3779b97f4a7c15U;
  uint64_t x = *state;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  return (uint32_t)((x ^ x >> 27) >> 32);
}

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

/* All readers have seen this version, or it is over. */
static void await_readers(uint64_t version) {
  for (int i = 0; i < READERS; i++) {
    while (load(&seen[i]) < version && !__atomic_load_n(&over, __ATOMIC_RELAXED)) sched_yield();
  }
}

static void fill(uint64_t *words, uint64_t version, uint32_t length) {
  for (uint32_t i = 0; i < length / 8; i++) words[i] = version * 0x9e3779b97f4a7c15U + i;
}

static void *write_values(void *argument) {
  uint64_t *const random = (uint64_t *)argument;
  static __thread uint64_t words[LONGEST / 8];
  while (load(&newest) < wanted) {
    struct ShmLatestWriter writer;
    const enum ShmStatus status = shm_latest_open_writer(&writer, &latest);
    if (status == SHM_BUSY) {
      sched_yield();
      continue;
    }
    check(status, &writer.error);
    const uint64_t taken = __atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
    owned.stints++;
    const bool paced = next_random(random) % 2 == 0;
    for (uint32_t i = next_random(random) % 200; i > 0 && writer.version < wanted; i--) {
      const uint64_t version = writer.version + 1;
      const uint32_t length = latest.size - latest.size % 8;
#ifndef __SANITIZE_THREAD__
      if (next_random(random) % 2 == 0) {
        void *place;
        check(shm_latest_begin(&writer, &place), &writer.error);
        fill((uint64_t *)place, version, length);
        check(shm_latest_commit(&writer, length), &writer.error);
      } else
#endif
      {
        fill(words, version, length);
        check(shm_latest_write(&writer, words, length), &writer.error);
      }
      __atomic_store_n(&newest, version, __ATOMIC_RELAXED);
      __atomic_add_fetch(&progress, 1, __ATOMIC_RELAXED);
      if (paced) await_readers(version);
    }
    owned.stints++;
    shm_latest_close_writer(&writer);
    /* the other one takes it, on a busy machine too */
    while (load(&turns) == taken && load(&newest) < wanted) sched_yield();
  }
  return NULL;
}

struct Reading {
  uint64_t random;
  uint32_t index;
};

static void *read_values(void *argument) {
  struct Reading *const reading = (struct Reading *)argument;
  static __thread uint64_t words[LONGEST / 8];
  uint64_t version = 0;
  struct ShmLatest *const from = reading->index == 0 ? &watched : &latest;
  while (version < wanted) {
    struct ShmLatestReader reader;
    check(shm_latest_open_reader(&reader, from), &reader.error);
    reader.version = version;
    for (uint32_t i = next_random(&reading->random) % 100; i > 0 && version < wanted; i--) {
      struct ShmLatestValue value;
      struct ShmWait wait = shm_within(SHM_FOREVER);
      const bool sleeping = next_random(&reading->random) % 3 != 0;
      enum ShmStatus status;
      wait.spin = next_random(&reading->random) % 4 == 0 ? 50 : 0;
      status = sleeping ? shm_latest_next(&reader, words, sizeof words, &value, &wait)
                        : shm_latest_read(&reader, words, sizeof words, &value);
      if (status == SHM_EMPTY) continue;
      check(status, &reader.error);
      if (value.length != latest.size - latest.size % 8) die("a value of %u bytes", value.length);
      for (uint32_t at = 0; at < value.length / 8; at++) {
        if (words[at] != value.version * 0x9e3779b97f4a7c15U + at) {
          die("version %llu is torn at word %u", (unsigned long long)value.version, at);
        }
      }
      if (value.version < version || (sleeping && value.version == version)) {
        die("version %llu after %llu", (unsigned long long)value.version,
            (unsigned long long)version);
      }
      version = value.version;
      __atomic_store_n(&seen[reading->index], version, __ATOMIC_RELAXED);
      __atomic_add_fetch(sleeping ? &sleeps : &reads, 1, __ATOMIC_RELAXED);
    }
    shm_latest_close_reader(&reader);
  }
  return NULL;
}

static void *watch(void *argument) {
  uint64_t before = 0;
  int64_t since = shm_now();
  (void)argument;
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    const struct timespec moment = shmi_timespec(5000000);
    uint64_t now = load(&progress);
    for (int i = 0; i < READERS; i++) now += load(&seen[i]);
    if (now != before) since = shm_now();
    before = now;
    if (shm_now() - since > patience) {
      fprintf(stderr, "stress: stuck after %llu steps\n", (unsigned long long)now);
      shm_latest_remove(&latest);
      _exit(3);
    }
    nanosleep(&moment, NULL);
  }
  return NULL;
}

static pthread_t start(void *(*run)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, argument) != 0) die("no more threads");
  return thread;
}

static void stress(key_t key, uint64_t *random, uint32_t cells, uint32_t size) {
  struct ShmLatestOptions options = shm_latest_options(key);
  uint64_t randoms[WRITERS];
  struct Reading readings[READERS];
  pthread_t writers[WRITERS], readers[READERS];
  options.cells = cells;
  options.size = size;
  check(shm_latest_open_or_create(&latest, &options, NULL), &latest.error);
  check(shm_latest_open_read_only(&watched, &options, NULL), &watched.error);
  over = false;
  newest = sleeps = reads = 0;
  memset(seen, 0, sizeof seen);
  const pthread_t watcher = start(watch, NULL);
  for (uint32_t i = 0; i < READERS; i++) {
    readings[i].random = next_random(random);
    readings[i].index = i;
    readers[i] = start(read_values, &readings[i]);
  }
  for (int i = 0; i < WRITERS; i++) {
    randoms[i] = next_random(random);
    writers[i] = start(write_values, &randoms[i]);
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
  for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  __atomic_store_n(&over, true, __ATOMIC_RELEASE);
  pthread_join(watcher, NULL);
  printf("%lu cells of %lu bytes: %llu values, %llu read, %llu waited for\n", (unsigned long)cells,
         (unsigned long)size, (unsigned long long)newest, (unsigned long long)reads,
         (unsigned long long)sleeps);
  if (shm_latest_leave(&watched) != SHM_KEPT) die("a read-only handle did more than read");
  if (shm_latest_leave(&latest) != SHM_WAS_REMOVED) die("the latest value stayed");
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: stress KEY SEED VALUES PATIENCE\n");
    return 2;
  }
  const key_t key = (key_t)strtoul(arguments[1], NULL, 0);
  uint64_t random = strtoull(arguments[2], NULL, 0);
  wanted = strtoull(arguments[3], NULL, 0);
  patience = strtoll(arguments[4], NULL, 0) * INT64_C(1000000000);
  stress(key, &random, 2, 8);
  stress(key, &random, 2, 1024);
  stress(key, &random, 4, LONGEST);
  stress(key, &random, 16, 64);
  return 0;
}
