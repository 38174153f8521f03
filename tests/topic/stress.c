/*
 * Publishers and subscribers of a topic as threads on tiny rings, for the sanitizers:
 * sanitizers_test.ts builds it with each of them and runs it.
 *
 *   stress KEY SEED MESSAGES PATIENCE
 *
 * Three publishers share two lanes, which they take, use for some messages and close again, one at
 * a time and many at once; sometimes at full speed, sometimes only when all subscribers are there.
 * Three subscribers receive in all ways, and begin again with a history; one of them is read-only.
 * Each message is checked: its bytes are of its lane and number, and its number is the last one
 * plus those missed plus 1. What only the owner of a lane uses is plain memory, so ThreadSanitizer
 * sees whether taking and closing order it.
 *
 * It is built with slices longer than PATIENCE seconds: after that time without progress it says
 * "stuck", as a wake was lost. Exit code 0; 1 with a line on stderr: what was wrong; 3: stuck.
 */
#include "shm_topic.h"

#include <pthread.h>
#include <sched.h>

#define PUBLISHERS 3
#define SUBSCRIBERS 3
#define MOST_BATCH 20

struct __attribute__((aligned(128))) Owned {
  uint64_t stints;
  uint64_t turns; /* how often the lane was taken: atomic */
};

static struct ShmTopic topic, watched; /* watched: read-only */
static uint64_t wanted;
static int64_t patience;
static uint64_t published, progress, received, missed;
static bool finished, over;
static struct Owned owned[SHM_TOPIC_LANES_MAX];
/* the number of the newest message of each lane, and how far a subscriber is */
static uint64_t newest[SHM_TOPIC_LANES_MAX];
static uint64_t seen[SUBSCRIBERS][SHM_TOPIC_LANES_MAX];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fputs("stress: ", stderr);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  shm_topic_remove(&topic);
  _exit(1);
}

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  die("status %d: %s", (int)status, line);
}

static uint64_t shuffle(uint64_t x) {
  x *= 0x9e3779b97f4a7c15U;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  return x ^ x >> 27;
}

static uint32_t next_random(uint64_t *state) {
  *state += 0x9e3779b97f4a7c15U;
  return (uint32_t)(shuffle(*state) >> 32);
}

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

static void store(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void add(uint64_t *word, uint64_t value) {
  __atomic_add_fetch(word, value, __ATOMIC_RELAXED);
}

/* ---- messages: length and bytes follow from lane and number ---------------------------------- */

/* Short ones, and sometimes one that may be longer than what a subscriber copies at once. */
static uint32_t length_of(uint32_t lane, uint64_t number) {
  const uint64_t random = shuffle(number * 257 + lane);
  const uint32_t most = random % 64 == 0 || topic.max_message < 300 ? topic.max_message : 300;
  return (uint32_t)(random / 64 % (most + 1));
}

static void fill(unsigned char *bytes, uint32_t lane, uint64_t number, uint32_t length) {
  const uint64_t first = shuffle(number * 263 + lane);
  for (uint32_t i = 0; i < length; i++) bytes[i] = (unsigned char)(first + i * 7);
}

static void check_bytes(const struct ShmTopicMessage *message) {
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  if (message->length != length_of(message->lane, message->number)) {
    die("lane %u: message %llu has %u bytes", message->lane, (unsigned long long)message->number,
        message->length);
  }
  const uint64_t first = shuffle(message->number * 263 + message->lane);
  for (uint32_t i = 0; i < message->length; i++) {
    if (bytes[i] != (unsigned char)(first + i * 7)) {
      die("lane %u: message %llu is wrong at byte %u", message->lane,
          (unsigned long long)message->number, i);
    }
  }
}

/* ---- publishers ------------------------------------------------------------------------------ */

/* All subscribers have received or missed the newest message of the lane. */
static void await_subscribers(uint32_t lane) {
  for (int i = 0; i < SUBSCRIBERS; i++) {
    while (load(&seen[i][lane]) < load(&newest[lane])) sched_yield();
  }
}

static void *publish(void *argument) {
  uint64_t *const random = (uint64_t *)argument;
  struct ShmTopicMessage messages[MOST_BATCH];
  unsigned char *const bytes =
      (unsigned char *)malloc((size_t)MOST_BATCH * (topic.max_message + 1));
  while (bytes != NULL && load(&published) < wanted) {
    struct ShmTopicPublisher publisher;
    const enum ShmStatus status = shm_topic_open_publisher(&publisher, &topic);
    if (status == SHM_BUSY) {
      sched_yield();
      continue;
    }
    check(status, &publisher.error);
    const uint32_t lane = publisher.lane;
    const uint64_t taken = __atomic_add_fetch(&owned[lane].turns, 1, __ATOMIC_RELAXED);
    owned[lane].stints++;
    const bool paced = next_random(random) % 2 == 0;
    for (uint32_t turn = next_random(random) % 100; turn > 0; turn--) {
      const uint32_t batch = 1 + next_random(random) % MOST_BATCH;
      const uint32_t count = next_random(random) % 3 != 0 ? 1 : batch;
      memset(messages, 0, sizeof messages);
      for (uint32_t i = 0; i < count; i++) {
        const uint64_t number = publisher.count + i + 1;
        unsigned char *const place = bytes + i * (size_t)topic.max_message;
        messages[i].bytes = place;
        messages[i].length = length_of(lane, number);
        messages[i].tag = (uint32_t)number;
        fill(place, lane, number, messages[i].length);
      }
      check(count == 1 ? shm_topic_publish(&publisher, bytes, messages[0].length, messages[0].tag)
                       : shm_topic_publish_many(&publisher, messages, count),
            &publisher.error);
      store(&newest[lane], publisher.count);
      add(&published, count);
      add(&progress, 1);
      if (paced) await_subscribers(lane);
    }
    owned[lane].stints++;
    shm_topic_close_publisher(&publisher);
    /* another one takes it, on a busy machine too: there is one publisher more than lanes */
    while (load(&owned[lane].turns) == taken && load(&published) < wanted) sched_yield();
  }
  free(bytes);
  return NULL;
}

/* ---- subscribers ----------------------------------------------------------------------------- */

struct Subscription {
  uint64_t random;
  uint32_t index;
  uint64_t numbers[SHM_TOPIC_LANES_MAX]; /* of the last message of each lane; 0: none yet */
};

static void on_message(void *argument, const struct ShmTopicMessage *message) {
  struct Subscription *const subscription = (struct Subscription *)argument;
  uint64_t *const last = &subscription->numbers[message->lane];
  check_bytes(message);
  if (message->tag != (uint32_t)message->number) die("tag %u", message->tag);
  if (*last != 0 && message->number != *last + message->missed + 1) {
    die("lane %u: message %llu after %llu, with %llu missed", message->lane,
        (unsigned long long)message->number, (unsigned long long)*last,
        (unsigned long long)message->missed);
  }
  *last = message->number;
  add(&received, 1);
  add(&missed, message->missed);
}

static void note_seen(const struct ShmTopicSubscriber *subscriber, uint32_t index) {
  for (uint32_t lane = 0; lane < subscriber->lanes; lane++) {
    store(&seen[index][lane], subscriber->readers[lane].next - 1);
  }
}

static void *subscribe(void *argument) {
  struct Subscription *const subscription = (struct Subscription *)argument;
  uint64_t *const random = &subscription->random;
  struct ShmTopic *const from = subscription->index == 0 ? &watched : &topic;
  struct ShmTopicSubscriber *const subscriber =
      (struct ShmTopicSubscriber *)malloc(sizeof(struct ShmTopicSubscriber));
  /* the first one begins before any message: none is skipped */
  uint64_t history = 0;
  while (subscriber != NULL && !__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    check(shm_topic_open_subscriber(subscriber, from, history), &subscriber->error);
    memset(subscription->numbers, 0, sizeof subscription->numbers);
    for (uint32_t turn = 10 + next_random(random) % 200; turn > 0; turn--) {
      struct ShmTopicMessage message;
      enum ShmStatus status;
      const bool last = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
      if (next_random(random) % 2 == 0) {
        status = shm_topic_drain(subscriber, on_message, subscription, next_random(random) % 20,
                                 NULL);
      } else {
        status = shm_topic_try_receive(subscriber, &message);
        if (status == SHM_OK) on_message(subscription, &message);
      }
      note_seen(subscriber, subscription->index);
      if (status == SHM_EMPTY && last) {
        shm_topic_close_subscriber(subscriber);
        free(subscriber);
        return NULL;
      }
      if (status == SHM_EMPTY) {
        struct ShmWait wait = shm_within(SHM_FOREVER);
        wait.spin = next_random(random) % 4 == 0 ? 50 : 0;
        status = shm_topic_wait(subscriber, &wait);
      }
      check(status, &subscriber->error);
    }
    shm_topic_close_subscriber(subscriber);
    /* enough to see what came meanwhile, if the ring holds it */
    history = SHM_TOPIC_ALL;
  }
  return NULL;
}

/* ---- whether anything moves ------------------------------------------------------------------ */

static void *watch(void *argument) {
  uint64_t before = 0;
  int64_t since = shm_now();
  (void)argument;
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    const struct timespec moment = shmi_timespec(5000000);
    struct ShmTopicLaneStats stats;
    for (uint32_t lane = 0; lane < topic.lanes; lane++) {
      const uint64_t least = load(&newest[lane]);
      shm_topic_lane_stats(&topic, lane, &stats);
      if (stats.messages < least || stats.closed > stats.opened + 1) {
        die("the figures of lane %u cannot be", lane);
      }
    }
    const uint64_t now = load(&progress) + load(&received);
    if (now != before) since = shm_now();
    before = now;
    if (shm_now() - since > patience) {
      fprintf(stderr, "stress: stuck after %llu steps\n", (unsigned long long)now);
      shm_topic_remove(&topic);
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

/* Wakes subscribers that wait for more than there will be. */
static void publish_once_more(void) {
  struct ShmTopicPublisher publisher;
  unsigned char *const bytes = (unsigned char *)malloc(topic.max_message);
  if (bytes == NULL) die("no memory");
  check(shm_topic_open_publisher(&publisher, &topic), &publisher.error);
  const uint32_t length = length_of(publisher.lane, publisher.count + 1);
  fill(bytes, publisher.lane, publisher.count + 1, length);
  check(shm_topic_publish(&publisher, bytes, length, (uint32_t)publisher.count + 1),
        &publisher.error);
  shm_topic_close_publisher(&publisher);
  free(bytes);
}

static void stress(key_t key, uint64_t *random, uint32_t capacity) {
  struct ShmTopicOptions options = shm_topic_options(key);
  uint64_t randoms[PUBLISHERS];
  static struct Subscription subscriptions[SUBSCRIBERS];
  pthread_t publishers[PUBLISHERS], subscribers[SUBSCRIBERS];
  options.lanes = 2;
  options.lane_capacity = capacity;
  check(shm_topic_open_or_create(&topic, &options, NULL), &topic.error);
  check(shm_topic_open_read_only(&watched, &options, NULL), &watched.error);
  finished = over = false;
  published = received = missed = 0;
  memset(newest, 0, sizeof newest);
  memset(seen, 0, sizeof seen);
  const pthread_t watcher = start(watch, NULL);
  for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
    subscriptions[i].random = next_random(random);
    subscriptions[i].index = i;
    subscribers[i] = start(subscribe, &subscriptions[i]);
  }
  for (int i = 0; i < PUBLISHERS; i++) {
    randoms[i] = next_random(random);
    publishers[i] = start(publish, &randoms[i]);
  }
  for (int i = 0; i < PUBLISHERS; i++) pthread_join(publishers[i], NULL);
  __atomic_store_n(&finished, true, __ATOMIC_RELEASE);
  publish_once_more();
  for (int i = 0; i < SUBSCRIBERS; i++) pthread_join(subscribers[i], NULL);
  __atomic_store_n(&over, true, __ATOMIC_RELEASE);
  pthread_join(watcher, NULL);
  printf("rings of %lu bytes: %llu messages, %llu received, %llu missed\n", (unsigned long)capacity,
         (unsigned long long)published, (unsigned long long)received, (unsigned long long)missed);
  if (shm_topic_leave(&watched) != SHM_KEPT) die("a read-only handle did more than read");
  if (shm_topic_leave(&topic) != SHM_WAS_REMOVED) die("the topic stayed");
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: stress KEY SEED MESSAGES PATIENCE\n");
    return 2;
  }
  const key_t key = (key_t)strtoul(arguments[1], NULL, 0);
  uint64_t random = strtoull(arguments[2], NULL, 0);
  wanted = strtoull(arguments[3], NULL, 0);
  patience = strtoll(arguments[4], NULL, 0) * INT64_C(1000000000);
  stress(key, &random, 256);
  stress(key, &random, 1024);
  stress(key, &random, 4096);
  stress(key, &random, 1 << 20);
  return 0;
}
