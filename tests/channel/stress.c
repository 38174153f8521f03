/*
 * Producers and consumers as threads on tiny rings, full and empty all the time, for the sanitizers:
 * tests/channel/sanitizers_test.ts builds it with each of them and has it run.
 *
 *   stress KEY SEED MESSAGES PATIENCE
 *
 * Four producers share fewer lanes, each of which they take, use for some messages and close again,
 * sending in all ways there are, and giving up claims. Two consumers take the role in turn, receive in
 * all ways there are, and now and then close without being done with what they had, which is for the
 * other to see again. Another thread looks at the figures.
 *
 * Every message is checked: order, length and bytes; and in the end that all have come. What is only
 * used by the owner of a lane or role is plain memory, so ThreadSanitizer sees whether taking and
 * closing order it. It is to be built with slices longer than PATIENCE seconds, after which without any
 * progress it says "stuck": then a lost wake is found, that slices would cover up.
 *
 * Exit code 0; 1 with a line on stderr: what was wrong; 3: stuck.
 */
#include "shm_channel.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define PRODUCERS 4
#define CONSUMERS 2
#define MOST_STINTS 65536
#define LONGEST 2048

struct Random {
  uint64_t state;
};

/* What a lane's owner writes without any atomics; 128 bytes apart as in the channel. */
struct __attribute__((aligned(128))) Owned {
  uint64_t stints;
};

static struct ShmChannel channel;
static uint64_t wanted;   /* messages, of all producers */
static uint64_t progress; /* anything at all */
static uint64_t sent;
static bool finished; /* the producers are */
static bool over;     /* the consumers are too */
static uint32_t stints;
/* by tag: one stint of one producer. Sent: written by it; received: by the consumer */
static uint32_t sent_by[MOST_STINTS];
static uint32_t received_of[MOST_STINTS];
static uint64_t sleeps;
static struct Owned owned[SHM_CHANNEL_LANES_MAX];
static struct Owned consumed;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fputs("stress: ", stderr);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  shm_channel_remove(&channel);
  _exit(1);
}

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  die("status %d: %s", (int)status, line);
}

static uint32_t hash(uint32_t tag, uint32_t sequence) {
  uint64_t x = ((uint64_t)tag << 32 | sequence) * 0x9e3779b97f4a7c15U;
  x ^= x >> 31;
  return (uint32_t)((x * 0xbf58476d1ce4e5b9U) >> 32);
}

static uint32_t next_random(struct Random *random) {
  random->state += 0x9e3779b97f4a7c15U;
  return hash((uint32_t)random->state, (uint32_t)(random->state >> 32));
}

static void step(void) { __atomic_add_fetch(&progress, 1, __ATOMIC_RELAXED); }

/* ---- messages: length and bytes follow from the tag and the sequence number ------------------ */

static uint32_t length_of(uint32_t tag, uint32_t sequence) {
  const uint32_t most = channel.max_message < LONGEST ? channel.max_message : LONGEST;
  return hash(tag, sequence) % (most + 1);
}

static void fill(unsigned char *bytes, uint32_t tag, uint32_t sequence, uint32_t length) {
  const uint32_t first = hash(sequence, tag);
  for (uint32_t i = 0; i < length; i++) bytes[i] = (unsigned char)(first + i * 7);
}

static void check_message(const struct ShmChannelMessage *message) {
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  if (message->tag >= MOST_STINTS) die("tag %lu", (unsigned long)message->tag);
  const uint32_t sequence = received_of[message->tag]++;
  const uint32_t first = hash(sequence, message->tag);
  if (message->length != length_of(message->tag, sequence)) {
    die("lane %lu, tag %lu: message %lu has %lu bytes", (unsigned long)message->lane,
        (unsigned long)message->tag, (unsigned long)sequence, (unsigned long)message->length);
  }
  for (uint32_t i = 0; i < message->length; i++) {
    if (bytes[i] != (unsigned char)(first + i * 7)) {
      die("lane %lu, tag %lu: message %lu is wrong at byte %lu", (unsigned long)message->lane,
          (unsigned long)message->tag, (unsigned long)sequence, (unsigned long)i);
    }
  }
}

/* ---- producers ------------------------------------------------------------------------------- */

static struct ShmWait patience(struct Random *random) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.spin = next_random(random) % 4 == 0 ? 50 : 0;
  return wait;
}

/* Sends one message in some way. What is only staged goes out later. */
static void send_one(struct ShmChannelProducer *producer, struct Random *random, uint32_t tag,
                     uint32_t sequence) {
  static __thread unsigned char bytes[LONGEST];
  const uint32_t length = length_of(tag, sequence);
  const struct ShmWait wait = patience(random);
  enum ShmStatus status;
  void *place;
  fill(bytes, tag, sequence, length);
  switch (next_random(random) % 4) {
    case 0: /* the plain way */
      check(shm_channel_send(producer, bytes, length, tag, &wait), &producer->error);
      return;
    case 1: /* in place, after having given up another one */
      check(shm_channel_wait_room(producer, length, &wait), &producer->error);
      if (shm_channel_claim(producer, length_of(tag, sequence + 1), tag + 1, &place) ==
          SHM_OK) {
        memset(place, 0xee, length_of(tag, sequence + 1));
        shm_channel_abort(producer);
      }
      check(shm_channel_claim(producer, length, tag, &place), &producer->error);
      memcpy(place, bytes, length);
      shm_channel_commit(producer);
      return;
    case 2: /* without waiting, at first */
      status = shm_channel_try_send(producer, bytes, length, tag);
      if (status == SHM_FULL) {
        status = shm_channel_send(producer, bytes, length, tag, &wait);
      }
      check(status, &producer->error);
      return;
    default: /* with those that follow */
      while ((status = shm_channel_stage(producer, bytes, length, tag)) == SHM_FULL) {
        check(shm_channel_wait_room(producer, length, &wait), &producer->error);
      }
      check(status, &producer->error);
  }
}

/* One lane, from taking to closing. */
static void work_a_stint(struct Random *random) {
  struct ShmChannelProducer producer;
  enum ShmStatus status;
  while ((status = shm_channel_open_producer(&producer, &channel)) == SHM_BUSY) {
    sched_yield();
  }
  check(status, &producer.error);
  owned[producer.lane].stints++;
  const uint32_t tag = __atomic_fetch_add(&stints, 1, __ATOMIC_RELAXED);
  if (tag >= MOST_STINTS) die("too many stints");
  uint32_t count = next_random(random) % 100;
  for (uint32_t sequence = 0; sequence < count; sequence++) {
    send_one(&producer, random, tag, sequence);
    step();
  }
  sent_by[tag] = count;
  __atomic_add_fetch(&sent, count, __ATOMIC_RELAXED);
  owned[producer.lane].stints++;
  shm_channel_close_producer(&producer);
}

static void *produce(void *argument) {
  while (__atomic_load_n(&sent, __ATOMIC_RELAXED) < wanted) {
    work_a_stint((struct Random *)argument);
  }
  return NULL;
}

/* ---- consumers ------------------------------------------------------------------------------- */

static void on_message(void *argument, const struct ShmChannelMessage *message) {
  (void)argument;
  check_message(message);
  step();
}

/* Receives something in some way, or finds that there is nothing. */
static enum ShmStatus receive_some(struct ShmChannelConsumer *consumer, struct Random *random) {
  static unsigned char copy[LONGEST];
  struct ShmChannelMessage message;
  enum ShmStatus status = SHM_EMPTY;
  switch (next_random(random) % 3) {
    case 0:
      status = shm_channel_drain(consumer, on_message, NULL, next_random(random) % 20, NULL);
      break;
    case 1:
      status = shm_channel_try_receive(consumer, copy, sizeof copy, &message);
      if (status == SHM_OK) on_message(NULL, &message);
      shm_channel_ack(consumer);
      break;
    default:
      for (uint32_t i = next_random(random) % 20 + 1; i > 0; i--) {
        status = shm_channel_more(consumer, &message);
        if (status != SHM_OK) break;
        on_message(NULL, &message);
      }
      shm_channel_ack(consumer);
  }
  if (status == SHM_EMPTY) return status;
  check(status, &consumer->error);
  return status;
}

/* Has some messages in hand and closes, as if it had died: they come again. */
static void abandon(struct ShmChannelConsumer *consumer, struct Random *random) {
  struct ShmChannelMessage messages[8];
  uint32_t count = 0;
  const uint32_t most = next_random(random) % 8;
  while (count < most && shm_channel_more(consumer, &messages[count]) == SHM_OK) {
    check_message(&messages[count++]);
  }
  while (count > 0) received_of[messages[--count].tag]--;
}

/* The role, from taking to closing. Says whether there may be more to come. */
static bool consume_a_while(struct ShmChannelConsumer *consumer, struct Random *random) {
  bool more = true;
  const enum ShmStatus status = shm_channel_open_consumer(consumer, &channel);
  if (status == SHM_BUSY) {
    sched_yield();
    return true;
  }
  check(status, &consumer->error);
  consumed.stints++;
  for (uint32_t i = next_random(random) % 60; more && i > 0; i--) {
    /* the flag first: what was sent before it was set is found after */
    const bool last = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
    if (receive_some(consumer, random) != SHM_EMPTY) continue;
    if (last) {
      more = false;
      break;
    }
    struct ShmWait wait = patience(random);
    wait.until_closed = true;
    const enum ShmStatus waited = shm_channel_wait(consumer, &wait);
    sleeps += waited == SHM_OK;
    if (waited == SHM_CLOSED) sched_yield();
    else check(waited, &consumer->error);
  }
  if (more && next_random(random) % 2 == 0) abandon(consumer, random);
  consumed.stints++;
  shm_channel_close_consumer(consumer);
  return more;
}

static void *consume(void *argument) {
  struct ShmChannelConsumer *const consumer =
      (struct ShmChannelConsumer *)malloc(sizeof(struct ShmChannelConsumer));
  while (consumer != NULL && consume_a_while(consumer, (struct Random *)argument)) continue;
  free(consumer);
  return NULL;
}

/* ---- figures, and whether anything moves ----------------------------------------------------- */

static int64_t longest_pause;

static void *watch(void *argument) {
  uint64_t before = 0;
  int64_t since = shm_now();
  (void)argument;
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    const struct timespec moment = shmi_timespec(5000000);
    struct ShmChannelLaneStats stats;
    for (uint32_t lane = 0; lane < channel.lanes; lane++) {
      shm_channel_lane_stats(&channel, lane, &stats);
      if (stats.bytes > channel.lane_capacity || stats.closed > stats.opened + 1) {
        die("the figures of lane %lu cannot be", (unsigned long)lane);
      }
    }
    const uint64_t now = __atomic_load_n(&progress, __ATOMIC_RELAXED);
    if (now != before) since = shm_now();
    before = now;
    if (shm_now() - since > longest_pause) {
      fprintf(stderr, "stress: stuck after %llu steps\n", (unsigned long long)now);
      shm_channel_remove(&channel);
      _exit(3);
    }
    nanosleep(&moment, NULL);
  }
  return NULL;
}

/* ---- one channel, from making it to leaving it ----------------------------------------------- */

static pthread_t start(void *(*run)(void *), struct Random *random) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, random) != 0) die("no more threads");
  return thread;
}

/* Lets a consumer that waits for the end of the last producer see one. */
static void close_once_more(void) {
  struct ShmChannelProducer producer;
  check(shm_channel_open_producer(&producer, &channel), &producer.error);
  shm_channel_close_producer(&producer);
}

static void stress(key_t key, struct Random *random, uint32_t lanes, uint32_t capacity) {
  struct ShmChannelOptions options = shm_channel_options(key);
  struct Random randoms[PRODUCERS + CONSUMERS];
  pthread_t producers[PRODUCERS], consumers[CONSUMERS];
  options.lanes = lanes;
  options.lane_capacity = capacity;
  check(shm_channel_open_or_create(&channel, &options, NULL), &channel.error);
  finished = false;
  over = false;
  sent = 0;
  stints = 0;
  sleeps = 0;
  memset(received_of, 0, sizeof received_of);
  for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
    randoms[i].state = (uint64_t)next_random(random) << 32 | next_random(random);
  }
  const pthread_t watcher = start(watch, NULL);
  for (int i = 0; i < CONSUMERS; i++) consumers[i] = start(consume, &randoms[PRODUCERS + i]);
  for (int i = 0; i < PRODUCERS; i++) producers[i] = start(produce, &randoms[i]);
  for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i], NULL);
  __atomic_store_n(&finished, true, __ATOMIC_RELEASE);
  close_once_more();
  for (int i = 0; i < CONSUMERS; i++) pthread_join(consumers[i], NULL);
  __atomic_store_n(&over, true, __ATOMIC_RELEASE);
  pthread_join(watcher, NULL);

  uint32_t full_waits = 0;
  uint64_t messages = 0;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    struct ShmChannelLaneStats stats;
    shm_channel_lane_stats(&channel, lane, &stats);
    full_waits += stats.full_waits;
    messages += stats.messages;
    if (stats.depth != 0 || stats.bytes != 0 || stats.opened != stats.closed || stats.alive) {
      die("lane %lu is not as it should be in the end", (unsigned long)lane);
    }
  }
  if (messages != sent) die("the tallies say %llu", (unsigned long long)messages);
  for (uint32_t tag = 0; tag < stints; tag++) {
    if (sent_by[tag] != received_of[tag]) {
      die("tag %lu: %lu sent, %lu received", (unsigned long)tag, (unsigned long)sent_by[tag],
          (unsigned long)received_of[tag]);
    }
  }
  printf("lanes %lu of %lu: %llu messages in %lu stints, %lu waits for room, %llu for messages\n",
         (unsigned long)lanes, (unsigned long)capacity, (unsigned long long)sent,
         (unsigned long)stints, (unsigned long)full_waits, (unsigned long long)sleeps);
  if (shm_channel_leave(&channel) != SHM_WAS_REMOVED) die("the channel stayed");
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: stress KEY SEED MESSAGES PATIENCE\n");
    return 2;
  }
  const key_t key = (key_t)strtoul(arguments[1], NULL, 0);
  struct Random random = {strtoull(arguments[2], NULL, 0)};
  wanted = strtoull(arguments[3], NULL, 0);
  longest_pause = strtoll(arguments[4], NULL, 0) * INT64_C(1000000000);
  stress(key, &random, 1, 64);
  stress(key, &random, 2, 64);
  stress(key, &random, 3, 256);
  stress(key, &random, 5, 4096);
  return 0;
}
