/* The channel in C: the twin of channel.ts, see there. `ping-wait` and `pong-wait` sleep. */
#include "../../c/shm_channel.h"

#include "peer.h"

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[512];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  exit(1);
}

static void open_channel(struct ShmChannel *channel, const struct Part *part, long offset) {
  char *rest;
  struct ShmChannelOptions options =
      shm_channel_options((key_t)(strtol(part->address, &rest, 10) + offset));
  options.lanes = (uint32_t)atol(rest + 1);
  options.lane_capacity = 1 << 20;
  size_t power = 1;
  while (power < part->size) power *= 2;
  if (4 * power > options.lane_capacity) options.lane_capacity = (uint32_t)(4 * power);
  check(shm_channel_open_or_create(channel, &options, NULL), &channel->error);
}

static void await_consumer(const struct ShmChannel *channel) {
  while (shm_channel_consumer_pid(channel) <= 0) sleep_ms(1);
}

struct Sink {
  unsigned long sum;
  unsigned char *copy;
};

static void look(void *argument, const struct ShmChannelMessage *message) {
  struct Sink *const sink = (struct Sink *)argument;
  sink->sum += *(const unsigned char *)message->bytes;
}

static void take(void *argument, const struct ShmChannelMessage *message) {
  struct Sink *const sink = (struct Sink *)argument;
  memcpy(sink->copy, message->bytes, message->length);
  __asm__ volatile("" : : "r"(sink->copy) : "memory");
}

static void recv_all(const struct Part *part) {
  static struct ShmChannel channel;
  static struct ShmChannelConsumer consumer;
  struct Sink sink = {0, (unsigned char *)calloc(1, part->size)};
  struct Arrivals arrivals = {{0, 0}, 0, 0, false};
  open_channel(&channel, part, 0);
  check(shm_channel_open_consumer(&consumer, &channel), &consumer.error);
  while (arrivals_open(&arrivals, part)) {
    uint64_t got = 0;
    if (shm_channel_drain(&consumer, part->size < COPIED ? look : take, &sink, 0, &got) ==
        SHM_EMPTY) {
      check(shm_channel_wait(&consumer, NULL), &consumer.error);
    }
    if (got > 0) arrivals_add(&arrivals, part, (long)got);
  }
  if (sink.sum + sink.copy[0] == 0) exit(1);
  shm_channel_close_consumer(&consumer);
  shm_channel_leave(&channel);
}

enum { DISTINCT = 1024 };

/* Payloads in turn: one, or DISTINCT buffers, as channel.ts has them. */
struct Payloads {
  unsigned char *bytes[DISTINCT];
  size_t lengths[DISTINCT];
  long mask; /* of a message's number: which of them it is */
  bool text; /* its length is looked for each time, as a program does that is handed a string */
};

static struct Payloads make_payloads(const struct Part *part) {
  struct Payloads all = {.mask = strcmp(part->role, "send") == 0 ? 0 : DISTINCT - 1,
                         .text = strcmp(part->role, "send-text") == 0};
  const bool varying = strcmp(part->role, "send-varying") == 0;
  for (long i = 0; i <= all.mask; i++) {
    const size_t size = varying ? (size_t)(1 + i * 37 % 127) : part->size;
    all.lengths[i] = size;
    all.bytes[i] = (unsigned char *)malloc(size + 1);
    if (all.text) numbered_text((char *)all.bytes[i], i, size);
    else memset(all.bytes[i], (int)(1 + i % 255), size);
  }
  return all;
}

static size_t length_of(const struct Payloads *all, long i) {
  return all->text ? strlen((const char *)all->bytes[i]) : all->lengths[i];
}

static void send_some(struct ShmChannelProducer *producer, const struct Payloads *all, size_t size,
                      long count) {
  const long batch = batch_of(size);
  for (long sent = 0; sent < count;) {
    long staged = 0;
    for (; staged < batch && sent < count; staged++, sent++) {
      const long i = sent & all->mask;
      if (shm_channel_stage(producer, all->bytes[i], length_of(all, i), 0) != SHM_OK) break;
    }
    shm_channel_publish(producer);
    if (staged < batch && sent < count) {
      const long i = sent & all->mask;
      check(shm_channel_send(producer, all->bytes[i], length_of(all, i), 0, NULL),
            &producer->error);
      sent++;
    }
  }
}

static void send_all(const struct Part *part) {
  static struct ShmChannel channel;
  static struct ShmChannelProducer producer;
  const struct Payloads all = make_payloads(part);
  open_channel(&channel, part, 0);
  check(shm_channel_open_producer(&producer, &channel), &producer.error);
  await_consumer(&channel);
  send_some(&producer, &all, part->size, part->warm);
  const struct Meter meter = meter_begin();
  send_some(&producer, &all, part->size, part->count);
  meter_end(&meter, "send", part->count);
  shm_channel_close_producer(&producer);
  shm_channel_leave(&channel);
}

/* Drains until nothing is left to come, spinning or, if we may sleep, waiting. */
static void drain_all(struct ShmChannelConsumer *consumer, bool sleeps,
                      void (*visit)(void *, const struct ShmChannelMessage *), void *argument,
                      const long *left) {
  uint64_t got;
  while (*left > 0) {
    if (shm_channel_drain(consumer, visit, argument, 0, &got) == SHM_EMPTY && sleeps) {
      check(shm_channel_wait(consumer, NULL), &consumer->error);
    }
  }
}

struct Ping {
  const struct Part *part;
  const unsigned char *message;
  struct ShmChannelProducer *producer;
  struct RoundTrips trips;
  long left;
  long together;
  /* So many round trips are timed together. */
  long most;
};

static void ping_next(struct Ping *ping) {
  trips_pause(&ping->trips, ping->part);
  shm_channel_try_send(ping->producer, ping->message, ping->part->size, 0);
}

static void ping_back(void *argument, const struct ShmChannelMessage *message) {
  struct Ping *const ping = (struct Ping *)argument;
  (void)message;
  ping->together++;
  if (--ping->left % ping->most == 0) {
    trips_done_together(&ping->trips, ping->together);
    ping->together = 0;
  }
  if (ping->left > 0) ping_next(ping);
}

static void ping(const struct Part *part, bool sleeps) {
  static struct ShmChannel there, back;
  static struct ShmChannelProducer producer;
  static struct ShmChannelConsumer consumer;
  open_channel(&there, part, 0);
  open_channel(&back, part, 1);
  check(shm_channel_open_producer(&producer, &there), &producer.error);
  check(shm_channel_open_consumer(&consumer, &back), &consumer.error);
  await_consumer(&there);
  struct Ping state = {part, (const unsigned char *)calloc(1, part->size), &producer,
                       trips_begin(part), part->warm + part->count, 0,
                       sleeps ? 1 : TOGETHER};
  ping_next(&state);
  drain_all(&consumer, sleeps, ping_back, &state, &state.left);
  trips_end(&state.trips, part);
  shm_channel_close_consumer(&consumer);
  shm_channel_close_producer(&producer);
  shm_channel_leave(&there);
  shm_channel_leave(&back);
}

struct Pong {
  const struct Part *part;
  const unsigned char *message;
  struct ShmChannelProducer *producer;
  struct Meter meter;
  long left;
};

static void pong_answer(void *argument, const struct ShmChannelMessage *message) {
  struct Pong *const pong = (struct Pong *)argument;
  (void)message;
  if (pong->left-- == pong->part->count) pong->meter = meter_begin();
  shm_channel_try_send(pong->producer, pong->message, pong->part->size, 0);
}

/* Answers from within the drain, as its twin does. */
static void pong(const struct Part *part, bool sleeps) {
  static struct ShmChannel there, back;
  static struct ShmChannelProducer producer;
  static struct ShmChannelConsumer consumer;
  open_channel(&there, part, 0);
  open_channel(&back, part, 1);
  check(shm_channel_open_producer(&producer, &back), &producer.error);
  check(shm_channel_open_consumer(&consumer, &there), &consumer.error);
  struct Pong state = {part, (const unsigned char *)calloc(1, part->size), &producer,
                       meter_begin(), part->warm + part->count};
  drain_all(&consumer, sleeps, pong_answer, &state, &state.left);
  meter_end(&state.meter, "pong", part->count);
  shm_channel_close_consumer(&consumer);
  shm_channel_close_producer(&producer);
  shm_channel_leave(&there);
  shm_channel_leave(&back);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  if (strcmp(part.role, "recv") == 0) recv_all(&part);
  else if (strncmp(part.role, "send", 4) == 0) send_all(&part);
  else if (strcmp(part.role, "ping") == 0) ping(&part, false);
  else if (strcmp(part.role, "pong") == 0) pong(&part, false);
  else if (strcmp(part.role, "ping-wait") == 0) ping(&part, true);
  else if (strcmp(part.role, "pong-wait") == 0) pong(&part, true);
  else return 2;
  return 0;
}
