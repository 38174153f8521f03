/*
 * What all peers in C share: the command line, the clock and the line of JSON a role ends with. See
 * peer.ts: this is the same.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* From here on a receiver copies what it gets, as a program would; smaller messages it looks at. */
enum { COPIED = 1024 };

struct Part {
  const char *role;
  const char *address;
  size_t size;
  long count;
  long warm;
  long pause;
  const char *samples;
};

static inline struct Part read_part(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: %s ROLE ADDRESS SIZE COUNT WARM PAUSE SAMPLES\n", argv[0]);
    exit(2);
  }
  const struct Part part = {argv[1],          argv[2],          strtoul(argv[3], NULL, 10),
                            atol(argv[4]),    atol(argv[5]),    atol(argv[6]),
                            argv[7]};
  return part;
}

/* Messages that are published, or written, together. */
static inline long batch_of(size_t size) {
  const long batch = (long)(16384 / size);
  return batch > 256 ? 256 : batch < 1 ? 1 : batch;
}

/* A text of so many bytes, and a NUL: see peer.ts. */
static inline void numbered_text(char *text, long i, size_t size) {
  memset(text, '.', size);
  text[size] = 0;
  char number[40];
  const int length = snprintf(number, sizeof number, "message number %07ld", i);
  memcpy(text, number, (size_t)length < size ? (size_t)length : size);
}

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static inline void sleep_ms(long milliseconds) {
  const struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&t, NULL);
}

/* The largest resident size of this process in kB; not ru_maxrss, see peer.ts. */
static inline long largest_resident_size(void) {
  char line[256];
  long size = 0;
  FILE *const status = fopen("/proc/self/status", "r");
  if (status == NULL) fail("/proc/self/status");
  while (fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "VmHWM: %ld kB", &size) == 1) break;
  }
  fclose(status);
  return size;
}

/* Time and CPU time of what is measured. */
struct Meter {
  double start;
  double cpu;
};

static inline struct Meter meter_begin(void) {
  struct Meter meter;
  meter.cpu = cpu_seconds();
  meter.start = now_ns();
  return meter;
}

static inline void meter_end(const struct Meter *meter, const char *role, long messages) {
  const double seconds = (now_ns() - meter->start) / 1e9;
  const double cpu = cpu_seconds() - meter->cpu;
  printf("{\"role\":\"%s\",\"messages\":%ld,\"seconds\":%.9f,\"cpuSeconds\":%.6f,"
         "\"rssBytes\":%ld}\n",
         role, messages, seconds, cpu, largest_resident_size() * 1024);
  fflush(stdout);
}

/* Counts what arrives, and measures from the end of the warm-up on. */
struct Arrivals {
  struct Meter meter;
  long received;
  long before;
  bool running;
};

static inline bool arrivals_open(const struct Arrivals *arrivals, const struct Part *part) {
  return arrivals->received < part->warm + part->count;
}

static inline void arrivals_add(struct Arrivals *arrivals, const struct Part *part, long messages) {
  arrivals->received += messages;
  if (!arrivals->running && arrivals->received >= part->warm) {
    arrivals->running = true;
    arrivals->before = arrivals->received;
    arrivals->meter = meter_begin();
  }
  if (!arrivals_open(arrivals, part)) {
    meter_end(&arrivals->meter, "recv", arrivals->received - arrivals->before);
  }
}

/* Round trips that are timed together where both sides spin: see peer.ts. */
enum { TOGETHER = 32 };

/* Round trips and their times; the clock is read once for each, or twice where there is a pause. */
struct RoundTrips {
  struct Meter meter;
  double *times;
  double start;
  long next;
};

static inline struct RoundTrips trips_begin(const struct Part *part) {
  struct RoundTrips trips = {{0, 0}, NULL, 0, -part->warm};
  trips.times = (double *)calloc((size_t)part->count, sizeof *trips.times);
  if (trips.times == NULL) fail("calloc");
  trips.meter = meter_begin();
  trips.start = now_ns();
  return trips;
}

static inline bool trips_open(const struct RoundTrips *trips, const struct Part *part) {
  return trips->next < part->count;
}

static inline void trips_pause(struct RoundTrips *trips, const struct Part *part) {
  if (part->pause == 0) return;
  sleep_ms(part->pause);
  trips->start = now_ns();
}

/* So many are over since the last call: each of them took the mean. */
static inline void trips_done_together(struct RoundTrips *trips, long together) {
  const double end = now_ns();
  const double each = (end - trips->start) / (double)together;
  for (long i = 0; i < together; i++) {
    if (trips->next >= 0) trips->times[trips->next] = each;
    else if (trips->next == -1) trips->meter = meter_begin();
    trips->next++;
  }
  trips->start = end;
}

static inline void trips_done(struct RoundTrips *trips) { trips_done_together(trips, 1); }

static inline void trips_end(struct RoundTrips *trips, const struct Part *part) {
  meter_end(&trips->meter, "ping", part->count);
  FILE *const file = fopen(part->samples, "wb");
  if (file == NULL) fail(part->samples);
  if (fwrite(trips->times, sizeof *trips->times, (size_t)part->count, file) !=
          (size_t)part->count ||
      fclose(file) != 0) {
    fail(part->samples);
  }
  free(trips->times);
}

#endif
