/* The four roles over any two file descriptors in C: streams.ts is the same for Deno. */
#ifndef BENCH_STREAMS_H
#define BENCH_STREAMS_H

#include <unistd.h>

#include "peer.h"

/* One read may bring many messages: the kindest case for a stream. */
enum { READ_BYTES = 1 << 18 };

static inline void write_all(int to, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = write(to, bytes + done, size - done);
    if (count < 0) fail("write");
    done += (size_t)count;
  }
}

static inline size_t read_some(int from, char *bytes, size_t size) {
  const ssize_t count = read(from, bytes, size);
  if (count < 0) fail("read");
  if (count == 0) {
    fprintf(stderr, "the other side has gone\n");
    exit(1);
  }
  return (size_t)count;
}

static inline void read_all(int from, char *bytes, size_t size) {
  for (size_t done = 0; done < size;) done += read_some(from, bytes + done, size - done);
}

static inline void stream_recv(const struct Part *part, int from) {
  static char buffer[READ_BYTES];
  struct Arrivals arrivals = {{0, 0}, 0, 0, false};
  size_t bytes = 0;
  while (arrivals_open(&arrivals, part)) {
    bytes += read_some(from, buffer, sizeof buffer);
    const long messages = (long)(bytes / part->size);
    bytes %= part->size;
    if (messages > 0) arrivals_add(&arrivals, part, messages);
  }
}

static inline void stream_send(const struct Part *part, int to) {
  char *const message = (char *)malloc(part->size);
  memset(message, 1, part->size);
  for (long left = part->warm; left > 0; left--) write_all(to, message, part->size);
  const struct Meter meter = meter_begin();
  for (long left = part->count; left > 0; left--) write_all(to, message, part->size);
  meter_end(&meter, "send", part->count);
  free(message);
}

static inline void stream_ping(const struct Part *part, int from, int to) {
  char *const message = (char *)calloc(1, part->size);
  struct RoundTrips trips = trips_begin(part);
  while (trips_open(&trips, part)) {
    trips_pause(&trips, part);
    write_all(to, message, part->size);
    read_all(from, message, part->size);
    trips_done(&trips);
  }
  trips_end(&trips, part);
  free(message);
}

static inline void stream_pong(const struct Part *part, int from, int to) {
  char *const message = (char *)calloc(1, part->size);
  struct Meter meter = meter_begin();
  for (long left = part->count + part->warm; left > 0; left--) {
    if (left == part->count) meter = meter_begin();
    read_all(from, message, part->size);
    write_all(to, message, part->size);
  }
  meter_end(&meter, "pong", part->count);
  free(message);
}

/* Plays the part over these two; false: there is no such role. */
static inline bool stream_play(const struct Part *part, int from, int to) {
  if (strcmp(part->role, "recv") == 0) stream_recv(part, from);
  else if (strcmp(part->role, "send") == 0) stream_send(part, to);
  else if (strcmp(part->role, "ping") == 0) stream_ping(part, from, to);
  else if (strcmp(part->role, "pong") == 0) stream_pong(part, from, to);
  else return false;
  return true;
}

#endif
