/*
 * The C side of a Latest and of a Topic with hostile memory, each peer in its own process.
 * hostile_program.ts builds it with sanitizers where gcc has them; all in one process are
 * tests/latest/fuzz.c and tests/topic/fuzz.c.
 *
 *   fan_out_hostile ROLE KEY SEED 0               one peer at work until SIGTERM: "write" or "read" of a
 *                                                 Latest, "publish" or "subscribe" of a Topic
 *   fan_out_hostile PROTOCOL KEY SEED CORRUPTIONS the intruder, of a "latest" or a "topic"
 *
 * Every status must be one of those that can come, its error one line; every length within its limit; every
 * wait back in time. A role whose memory is corrupt is given up and taken again. Now and then the intruder
 * makes the words sound again, as a person does who removes the object.
 *
 * stdout: "ready" as soon as it is at work, and at the end one line of "name=number". Exit code 0; 1 with a
 * line on stderr: what was wrong; 3: no progress; a sanitizer's.
 */
#include "shm_latest.h"
#include "shm_topic.h"
#include "hostile.h"

#define LONGEST 4096
/* So many corruptions come before the words are made sound. */
#define TOGETHER 16

static struct ShmLatest latest;
static struct ShmTopic topic;
static unsigned char bytes[LONGEST];

static struct {
  uint64_t corruptions, operations, messages, corrupt, timeouts;
} counts;

/* ---- the intruder ---------------------------------------------------------------------------- */

static uint32_t wrong_word(uint32_t now) {
  return ONE_OF(0, 1, 8, 0x7fffffff, 0x80000000U, 0xffffffffU, now + 1, now - 1, now + 8, now + 256,
                now ^ 1U << chance(32), bits());
}

/* Writes once: over a word from `from` on, or over any bytes. */
static void spoil(struct ShmMembership *member, size_t from, size_t size) {
  counts.corruptions++;
  if (chance(8) == 0) {
    noise(member->base, member->size);
    return;
  }
  unsigned char *const word = member->base + from + 4 * chance((uint32_t)(size / 4));
  store(word, wrong_word(shmh_peek((const uint32_t *)(void *)word)));
}

static void spoil_latest(void) {
  const size_t stride = shmli_stride(latest.size);
  if (chance(2) == 0) {
    spoil(&latest.member, offsetof(struct ShmLatestControl, writer),
          2 * SHM_LATEST_LINE);
  } else {
    spoil(&latest.member, SHM_LATEST_CELLS_OFFSET + chance(latest.cells) * stride, 16);
  }
}

static struct ShmTopicLane *lane_words(uint32_t lane) {
  return &shmti_lanes(&topic)[lane];
}

static void spoil_topic(void) {
  const uint32_t lane = chance(topic.lanes), tail = shmh_peek(&lane_words(lane)->tail);
  const size_t words = (size_t)((unsigned char *)lane_words(lane) - topic.member.base);
  const size_t ring = shmti_rings_at(topic.lanes) + (size_t)lane * topic.lane_capacity;
  if (chance(2) == 0) spoil(&topic.member, words, 64);
  else spoil(&topic.member, ring + ((tail - 32 * chance(8)) & (topic.lane_capacity - 8)), 8);
}

/* The newest value is that of `published` again. */
static void mend_latest(void) {
  struct ShmLatestControl *const control = shmli_control(&latest);
  const uint32_t published = shmh_peek(&control->writer.published);
  uint32_t *const cell = (uint32_t *)(void *)(latest.member.base + SHM_LATEST_CELLS_OFFSET +
                                              (published & (latest.cells - 1)) *
                                                  shmli_stride(latest.size));
  shmh_note(&cell[0], published);
  shmh_note(&cell[1], 0);
  shmh_note(&cell[2], latest.size);
}

static void mend_topic(void) {
  for (uint32_t lane = 0; lane < topic.lanes; lane++) memset(lane_words(lane), 0, 64);
}

static void hammer(bool is_topic, uint64_t corruptions) {
  while (counts.corruptions < corruptions && !stopped) {
    if (is_topic) spoil_topic();
    else spoil_latest();
    if (counts.corruptions % TOGETHER == 0) is_topic ? mend_topic() : mend_latest();
    pause_between();
  }
}

/* ---- peers ----------------------------------------------------------------------------------- */

/* Whether the role can go on. */
static bool judge(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  counts.operations++;
  alarm(NET);
  switch (status) {
    case SHM_OK:
    case SHM_EMPTY:
    case SHM_BUSY:
    case SHM_REFUSED: return true; /* a header that was overwritten may ask for values of one length */
    case SHM_TIMEOUT: counts.timeouts++; return true;
    case SHM_CORRUPT: counts.corrupt++; break;
    default: die("status %d: %s", (int)status, error->what);
  }
  shm_describe(error, line, sizeof line);
  if (strlen(line) < 20 || strchr(line, '\n') != NULL) die("an error without words: %s", line);
  return false;
}

static void check_length(size_t length, size_t most) {
  if (length > most) die("%llu bytes, where at most %llu can be", (unsigned long long)length,
                         (unsigned long long)most);
  counts.messages++;
}

static void work_as_writer(void) {
  struct ShmLatestWriter writer;
  while (!stopped) {
    bool good = judge(shm_latest_open_writer(&writer, &latest), &writer.error);
    while (good && !stopped && writer.latest != NULL && chance(500) != 0) {
      good = judge(shm_latest_write(&writer, bytes, chance(latest.size + 1)), &writer.error);
    }
    shm_latest_close_writer(&writer);
    if (!good) usleep(100);
  }
}

static void work_as_reader(void) {
  struct ShmLatestReader reader;
  if (shm_latest_open_reader(&reader, &latest) != SHM_OK) die("no reader");
  while (!stopped) {
    const struct ShmWait wait = shm_within(1000000);
    struct ShmLatestValue value;
    const enum ShmStatus status =
        chance(2) == 0 ? shm_latest_read(&reader, bytes, sizeof bytes, &value)
                       : shm_latest_next(&reader, bytes, sizeof bytes, &value, &wait);
    if (!judge(status, &reader.error)) usleep(100);
    else if (status == SHM_OK) check_length(value.length, latest.size);
  }
}

static void work_as_publisher(void) {
  static struct ShmTopicPublisher publisher;
  while (!stopped) {
    bool good = judge(shm_topic_open_publisher(&publisher, &topic), &publisher.error);
    while (good && !stopped && publisher.topic != NULL && chance(500) != 0) {
      const struct ShmTopicMessage two = {bytes, chance(topic.max_message + 1), 0, 0, 0, 0};
      const struct ShmTopicMessage messages[] = {two, two};
      good = judge(chance(2) == 0 ? shm_topic_publish(&publisher, bytes, two.length, 0)
                                  : shm_topic_publish_many(&publisher, messages, 2),
                   &publisher.error);
    }
    shm_topic_close_publisher(&publisher);
    if (!good) usleep(100);
  }
}

static void visit(void *argument, const struct ShmTopicMessage *message) {
  (void)argument;
  if (message->lane >= topic.lanes) die("lane %lu", (unsigned long)message->lane);
  check_length(message->length, topic.max_message);
  if (message->length > 0) memcpy(bytes, message->bytes, message->length);
}

static void work_as_subscriber(void) {
  static struct ShmTopicSubscriber subscriber;
  while (!stopped) {
    const uint64_t history = chance(2) == 0 ? 0 : SHM_TOPIC_ALL;
    if (!judge(shm_topic_open_subscriber(&subscriber, &topic, history), &subscriber.error)) continue;
    while (!stopped && chance(200) != 0) {
      const struct ShmWait wait = shm_within(1000000);
      struct ShmTopicMessage message;
      enum ShmStatus status = SHM_OK;
      switch (chance(3)) {
        case 0:
          status = shm_topic_receive(&subscriber, &message, &wait);
          if (status == SHM_OK) visit(NULL, &message);
          break;
        case 1: status = shm_topic_wait(&subscriber, &wait); break;
        default: status = shm_topic_drain(&subscriber, visit, NULL, 1 + chance(100), NULL);
      }
      judge(status, &subscriber.error);
    }
    shm_topic_close_subscriber(&subscriber);
  }
}

/* ---- the command line ------------------------------------------------------------------------ */

static void join(bool is_topic, key_t key) {
  const struct ShmWait wait = shm_within(NET * INT64_C(1000000000));
  struct ShmTopicOptions topics = shm_topic_options(key);
  struct ShmLatestOptions values = shm_latest_options(key);
  const enum ShmStatus status = is_topic ? shm_topic_open(&topic, &topics, &wait)
                                         : shm_latest_open(&latest, &values, &wait);
  if (status != SHM_OK) die("cannot open it: %s", is_topic ? topic.error.what : latest.error.what);
}

int main(int count, char **words) {
  static const struct {
    const char *name;
    bool is_topic;
    void (*work)(void);
  } roles[] = {{"write", false, work_as_writer},      {"read", false, work_as_reader},
               {"publish", true, work_as_publisher},  {"subscribe", true, work_as_subscriber},
               {"latest", false, NULL},               {"topic", true, NULL}};
  size_t role = 0;
  catch_signals();
  if (count != 5) return 2;
  while (role < 5 && strcmp(words[1], roles[role].name) != 0) role++;
  state = seed = strtoull(words[3], NULL, 0);
  join(roles[role].is_topic, (key_t)strtoul(words[2], NULL, 0));
  puts("ready");
  fflush(stdout);
  if (roles[role].work != NULL) roles[role].work();
  else hammer(roles[role].is_topic, strtoull(words[4], NULL, 0));
  if (roles[role].is_topic) shm_topic_leave(&topic);
  else shm_latest_leave(&latest);
  printf("corruptions=%llu operations=%llu messages=%llu corrupt=%llu timeouts=%llu\n",
         (unsigned long long)counts.corruptions, (unsigned long long)counts.operations,
         (unsigned long long)counts.messages, (unsigned long long)counts.corrupt,
         (unsigned long long)counts.timeouts);
  return 0;
}
