/*
 * A topic with hostile memory: publishers, subscribers and an intruder that overwrites random
 * words, in one process. sanitizers_test.ts builds it with AddressSanitizer and
 * UndefinedBehaviorSanitizer.
 *
 *   fuzz KEY SEED CORRUPTIONS
 *
 * The memory is of malloc, of exactly the segment's size, so that AddressSanitizer sees each access
 * outside. Every status must be one of those that can come, with an error of one line; every wait
 * is back in time. A lane that was not overwritten brings every message, whole and in order,
 * however the other one looks. stdout: "messages=N errors=N". Exit code 0; 1 with a line on stderr;
 * 3: no progress.
 */
#include "shm_topic.h"

#define LANES 2
#define CAPACITY 1024
#define STEPS 300
/* A safety net, in seconds. */
#define NET 60

static struct ShmTopic topic;
static struct ShmTopicPublisher publishers[LANES];
static struct ShmTopicSubscriber subscriber;
static uint64_t state, messages, errors, expected;
static bool whole; /* lane 0 is not overwritten */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("fuzz: ", stderr);
  vfprintf(stderr, what, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(1);
}

static void on_alarm(int number) {
  (void)number;
  _exit(3);
}

static uint32_t chance(uint32_t below) {
  state += 0x9e3779b97f4a7c15U;
  uint64_t x = state;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return (uint32_t)((x >> 32) % below);
}

/* Overwrites one word: one with a meaning, mostly. */
static void corrupt(void) {
  const uint32_t interesting[] = {0,    1,          8,           16,         240, 241,
                                  1024, 0x7ffffff8, 0x80000000U, 0xffffffffU};
  const uint32_t lane = whole ? 1 : chance(LANES);
  const size_t words = offsetof(struct ShmTopicControl, lane) + lane * sizeof(struct ShmTopicLane);
  const size_t ring = shmti_rings_at(LANES) + lane * CAPACITY;
  const uint32_t tail = shmh_peek(&shmti_lanes(&topic)[lane].tail);
  size_t at = words + 4 * (size_t)chance(14);
  switch (chance(4)) {
    case 0: at = ring + 4 * (size_t)chance(CAPACITY / 4); break;
    case 1: at = ring + ((tail - 8 * chance(16)) & (CAPACITY - 1)) + 4 * chance(2); break;
    case 2:
      if (!whole) at = 4 * (size_t)chance((uint32_t)(topic.member.size / 4));
      break;
    default: break;
  }
  uint32_t *const word = (uint32_t *)(void *)(topic.member.base + at);
  const uint32_t value = chance(2) == 0   ? interesting[chance(10)]
                         : chance(2) == 0 ? shmh_peek(word) + 8 * (chance(5) - 2)
                                          : chance(65536) << 16 | chance(65536);
  shmh_note(word, value);
}

/* The status must be one of these, and the error one line. */
static void judge(enum ShmStatus status, const struct ShmError *error, unsigned possible) {
  char line[800];
  if ((possible >> status & 1) == 0) die("status %d: %s", (int)status, error->what);
  if (status == SHM_OK || status == SHM_EMPTY) return;
  errors++;
  shm_describe(error, line, sizeof line);
  if (strncmp(line, "cannot ", 7) != 0 || strchr(line, '\n') != NULL) die("not an error: %s", line);
}

#define CAN(status) (1U << (status))

static void on_message(void *argument, const struct ShmTopicMessage *message) {
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  uint32_t sum = 0;
  (void)argument;
  messages++;
  if (message->length > topic.max_message || message->lane >= LANES) die("no message");
  for (uint32_t i = 0; i < message->length; i++) sum += bytes[i];
  if (!whole || message->lane != 0) return;
  expected += message->missed;
  if (message->number != ++expected) die("number %llu", (unsigned long long)message->number);
  if (sum != message->length * (message->number & 0xff)) die("a message with wrong bytes");
}

static void publish(uint32_t lane) {
  static unsigned char bytes[CAPACITY];
  struct ShmTopicPublisher *const publisher = &publishers[lane];
  if (publisher->topic == NULL) return;
  memset(bytes, (int)(publisher->count + 1) & 0xff, sizeof bytes);
  judge(shm_topic_publish(publisher, bytes, chance(topic.max_message + 1), lane),
        &publisher->error, CAN(SHM_OK));
}

static void step(void) {
  struct ShmTopicMessage message;
  const struct ShmWait soon = shm_within(0);
  const uint32_t lane = chance(LANES);
  enum ShmStatus status;
  switch (chance(8)) {
    case 0:
    case 1:
    case 2: publish(lane); break;
    case 3:
      shm_topic_close_publisher(&publishers[1]);
      status = shm_topic_open_publisher(&publishers[1], &topic);
      judge(status, &publishers[1].error, CAN(SHM_OK) | CAN(SHM_CORRUPT) | CAN(SHM_BUSY));
      break;
    case 4:
      judge(shm_topic_wait(&subscriber, &soon), &subscriber.error,
            CAN(SHM_OK) | CAN(SHM_TIMEOUT));
      break;
    case 5:
      status = shm_topic_receive(&subscriber, &message, &soon);
      judge(status, &subscriber.error, CAN(SHM_OK) | CAN(SHM_TIMEOUT) | CAN(SHM_CORRUPT));
      if (status == SHM_CORRUPT && whole && subscriber.error.lane == 0) die("the wrong lane");
      if (status == SHM_OK) on_message(NULL, &message);
      break;
    case 6:
      status = shm_topic_drain(&subscriber, on_message, NULL, chance(10), NULL);
      judge(status, &subscriber.error, CAN(SHM_OK) | CAN(SHM_EMPTY) | CAN(SHM_CORRUPT));
      if (status == SHM_CORRUPT && whole && subscriber.error.lane == 0) die("the wrong lane");
      break;
    default:
      if (chance(3) != 0) break;
      shm_topic_close_subscriber(&subscriber);
      judge(shm_topic_open_subscriber(&subscriber, &topic, chance(2) == 0 ? 0 : SHM_TOPIC_ALL),
            &subscriber.error, CAN(SHM_OK));
      expected = subscriber.readers[0].next - 1;
  }
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  struct ShmTopicOptions options = shm_topic_options((key_t)strtoul(arguments[1], NULL, 0));
  state = strtoull(arguments[2], NULL, 0);
  const uint64_t corruptions = strtoull(arguments[3], NULL, 0);
  signal(SIGALRM, on_alarm);
  alarm(NET);
  options.lanes = LANES;
  options.lane_capacity = CAPACITY;
  if (shm_topic_open_or_create(&topic, &options, NULL) != SHM_OK) die("%s", topic.error.what);
  unsigned char *const segment = topic.member.base;
  void *memory;
  if (posix_memalign(&memory, SHM_TOPIC_LINE, topic.member.size) != 0) die("no memory");
  for (uint64_t done = 0; done < corruptions;) {
    memcpy(memory, segment, topic.member.size);
    topic.member.base = (unsigned char *)memory;
    whole = chance(2) == 0;
    expected = 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
      if (shm_topic_open_publisher(&publishers[lane], &topic) != SHM_OK) die("no lane");
    }
    if (shm_topic_open_subscriber(&subscriber, &topic, 0) != SHM_OK) die("no subscriber");
    for (uint32_t turn = 0; turn < STEPS; turn++) {
      if (turn % 8 == 7) {
        corrupt();
        done++;
      }
      step();
    }
    shm_topic_close_subscriber(&subscriber);
    for (uint32_t lane = 0; lane < LANES; lane++) shm_topic_close_publisher(&publishers[lane]);
    topic.member.base = segment;
  }
  free(memory);
  if (shm_topic_leave(&topic) != SHM_WAS_REMOVED) die("it stayed");
  printf("messages=%llu errors=%llu\n", (unsigned long long)messages, (unsigned long long)errors);
  return 0;
}
