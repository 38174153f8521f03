/* One side of a measurement over the channel, in C: the twin of peer.ts, see there. */
#include "../../c/shm_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_BYTES = 16384, BATCH_MOST = 256, COPIED = 1024, WARM_UP = 20000 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(enum ShmChannelStatus status, const struct ShmChannelError *error) {
  char line[512];
  if (status == SHM_CHANNEL_OK) return;
  shm_channel_describe(error, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  exit(1);
}

static void open_channel(struct ShmChannel *channel, long key) {
  struct ShmChannelOptions options = shm_channel_options((key_t)key);
  options.lanes = 1;
  options.lane_capacity = 1 << 20;
  check(shm_channel_open_or_create(channel, &options, NULL), &channel->error);
}

struct Sink {
  unsigned long received;
  unsigned long sum;
  unsigned char copy[65536];
};

static void look(void *argument, const struct ShmChannelMessage *message) {
  struct Sink *sink = (struct Sink *)argument;
  sink->received++;
  sink->sum += *(const unsigned char *)message->bytes;
}

static void take(void *argument, const struct ShmChannelMessage *message) {
  struct Sink *sink = (struct Sink *)argument;
  sink->received++;
  memcpy(sink->copy, message->bytes, message->length);
  __asm__ volatile("" : : "r"(sink->copy) : "memory");
}

static void recv_all(long key, size_t size, unsigned long count) {
  static struct ShmChannel channel;
  static struct ShmChannelConsumer consumer;
  static struct Sink sink;
  uint64_t got;
  open_channel(&channel, key);
  check(shm_channel_open_consumer(&consumer, &channel), &consumer.error);
  check(shm_channel_wait(&consumer, NULL), &consumer.error);
  const double start = now();
  while (sink.received < count) {
    if (shm_channel_drain(&consumer, size < COPIED ? look : take, &sink, 0, &got) ==
        SHM_CHANNEL_EMPTY) {
      check(shm_channel_wait(&consumer, NULL), &consumer.error);
    }
  }
  printf("{\"seconds\":%.9f,\"sum\":%lu}\n", now() - start, sink.sum + sink.copy[0]);
  shm_channel_close_consumer(&consumer);
  shm_channel_leave(&channel);
}

static void send_all(long key, size_t size, unsigned long count) {
  static struct ShmChannel channel;
  static struct ShmChannelProducer producer;
  static unsigned char message[65536];
  unsigned long batch = BATCH_BYTES / size;
  if (batch > BATCH_MOST) batch = BATCH_MOST;
  if (batch == 0) batch = 1;
  memset(message, 1, sizeof message);
  open_channel(&channel, key);
  check(shm_channel_open_producer(&producer, &channel), &producer.error);
  for (unsigned long sent = 0; sent < count;) {
    unsigned long staged = 0;
    while (staged < batch && sent < count &&
           shm_channel_stage(&producer, message, size, 0) == SHM_CHANNEL_OK) {
      staged++;
      sent++;
    }
    shm_channel_publish(&producer);
    if (staged < batch && sent < count) {
      check(shm_channel_send(&producer, message, size, 0, NULL), &producer.error);
      sent++;
    }
  }
  shm_channel_close_producer(&producer);
  shm_channel_leave(&channel);
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void pingpong(long key, long count, bool pings) {
  static struct ShmChannel there, back;
  static struct ShmChannelProducer producer;
  static struct ShmChannelConsumer consumer;
  static struct Sink sink;
  const unsigned char message[8] = {0};
  double *times = (double *)calloc((size_t)count, sizeof *times);
  uint64_t got;
  open_channel(&there, key);
  open_channel(&back, key + 1);
  check(shm_channel_open_producer(&producer, pings ? &there : &back), &producer.error);
  check(shm_channel_open_consumer(&consumer, pings ? &back : &there), &consumer.error);
  for (long i = -WARM_UP; i < count; i++) {
    const double start = now();
    if (pings) shm_channel_try_send(&producer, message, sizeof message, 0);
    while (shm_channel_drain(&consumer, look, &sink, 0, &got) == SHM_CHANNEL_EMPTY) {
    }
    if (!pings) shm_channel_try_send(&producer, message, sizeof message, 0);
    if (i >= 0) times[i] = now() - start;
  }
  if (pings) {
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}\n", times[(count - 1) / 2] * 1e6,
           times[(count - 1) * 99 / 100] * 1e6, times[count - 1] * 1e6);
  }
  free(times);
  shm_channel_close_consumer(&consumer);
  shm_channel_close_producer(&producer);
  shm_channel_leave(&there);
  shm_channel_leave(&back);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const long key = strtol(argv[2], NULL, 0);
  const long first = strtol(argv[3], NULL, 0);
  const long second = argc > 4 ? strtol(argv[4], NULL, 0) : 0;
  if (strcmp(argv[1], "recv") == 0) recv_all(key, (size_t)first, (unsigned long)second);
  else if (strcmp(argv[1], "send") == 0) send_all(key, (size_t)first, (unsigned long)second);
  else if (strcmp(argv[1], "ping") == 0) pingpong(key, first, true);
  else if (strcmp(argv[1], "pong") == 0) pingpong(key, first, false);
  else return 2;
  return 0;
}
