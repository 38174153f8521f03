/*
 * A peer of a topic, in C, for tests. gcc -std=gnu11 -O2 -I c tests/topic/peer.c
 *
 *   peer publish KEY COUNT      publishes COUNT messages (0: until stopped)
 *   peer subscribe KEY COUNT    receives until it has seen or missed COUNT messages of all lanes
 *                               together (0: until stopped)
 *   peer stat KEY 0             prints a line for each lane
 *
 * Options, in any place:
 *   --lanes L, --capacity C, --message-size M, --type TEXT
 *                    of a topic that is not there yet
 *   --length N       publish: messages of 8 to N bytes (64); without --message-size
 *   --pause US       sleeps so many microseconds after each message
 *   --drain          subscribe: many at once
 *   --read-only      subscribe: opens read-only
 *   --stop-at N      subscribe: stops itself (SIGSTOP) after N messages
 *   --trust          whatever user created it
 *   --spin N         how often to look before sleeping
 *
 * The message of number n and m bytes: 8 at a time n, n * K + 1, n * K + 2..., cut off after m
 * bytes.
 *
 * stdout: "ready PID [LANE]" with its role; at the end a line of "word name=number ...". Exit code
 * 0; 1 with a line on stderr after an error or a wrong message; 2 for wrong usage. SIGTERM ends it
 * as COUNT would.
 */
#include "shm_topic.h"

static volatile sig_atomic_t stopped = 0;
static struct ShmTopic topic;

static struct {
  struct ShmTopicOptions topic;
  bool drain, read_only;
  uint32_t length, spin;
  uint64_t stop_at;
  long pause;
} options;

static void on_signal(int number) {
  (void)number;
  stopped = 1;
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fputs("peer: ", stderr);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  fflush(stdout);
  _exit(1);
}

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  shm_describe(error, line, sizeof line);
  die("%s", line);
}

static struct ShmWait patience(void) {
  struct ShmWait wait = shm_within(INT64_C(30000000000));
  wait.stop = &stopped;
  wait.spin = options.spin;
  return wait;
}

static void pause_for(long microseconds) {
  const struct timespec moment = shmi_timespec(microseconds * 1000);
  if (microseconds != 0) nanosleep(&moment, NULL);
}

static void open_topic(key_t key, bool create) {
  const struct ShmWait wait = patience();
  options.topic.key = key;
  check(create              ? shm_topic_open_or_create(&topic, &options.topic, &wait)
        : options.read_only ? shm_topic_open_read_only(&topic, &options.topic, &wait)
                            : shm_topic_open(&topic, &options.topic, &wait),
        &topic.error);
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint32_t length_of(uint64_t number) {
  if (topic.message_size != 0) return topic.message_size;
  return options.length <= 8 ? options.length : 8 + (uint32_t)(number % (options.length - 7));
}

static uint64_t word_of(uint64_t number, uint32_t at) {
  return at == 0 ? number : number * 0x9e3779b97f4a7c15U + at / 8;
}

static void fill(unsigned char *bytes, uint64_t number, uint32_t length) {
  for (uint32_t at = 0; at < length; at += 8) {
    const uint64_t word = word_of(number, at);
    memcpy(bytes + at, &word, length - at < 8 ? length - at : 8);
  }
}

/* ---- publish --------------------------------------------------------------------------------- */

static void publish(key_t key, uint64_t count) {
  static struct ShmTopicPublisher publisher;
  open_topic(key, true);
  check(shm_topic_open_publisher(&publisher, &topic), &publisher.error);
  unsigned char *const bytes =
      (unsigned char *)malloc(options.length + (size_t)topic.message_size);
  if (bytes == NULL) die("no memory");
  printf("ready %ld %lu\n", (long)getpid(), (unsigned long)publisher.lane);
  fflush(stdout);
  const uint64_t begin = publisher.count;
  while ((count == 0 || publisher.count - begin < count) && !stopped) {
    const uint64_t number = publisher.count + 1;
    const uint32_t length = length_of(number);
    fill(bytes, number, length);
    check(shm_topic_publish(&publisher, bytes, length, 7), &publisher.error);
    pause_for(options.pause);
  }
  printf("published messages=%llu number=%llu\n", (unsigned long long)(publisher.count - begin),
         (unsigned long long)publisher.count);
  free(bytes);
  shm_topic_close_publisher(&publisher);
}

/* ---- subscribe ------------------------------------------------------------------------------- */

static uint64_t received, missed, numbers[SHM_TOPIC_LANES_MAX];

static void check_message(void *argument, const struct ShmTopicMessage *message) {
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  uint64_t *const number = &numbers[message->lane];
  (void)argument;
  if (*number != 0 && message->number != *number + 1 + message->missed) {
    die("lane %lu: number %llu after %llu, and %llu missed", (unsigned long)message->lane,
        (unsigned long long)message->number, (unsigned long long)*number,
        (unsigned long long)message->missed);
  }
  *number = message->number;
  for (uint32_t at = 0; at < message->length; at += 8) {
    const uint64_t word = word_of(message->number, at);
    if (memcmp(bytes + at, &word, message->length - at < 8 ? message->length - at : 8) != 0) {
      die("lane %lu: message %llu of %lu bytes is wrong at byte %lu",
          (unsigned long)message->lane, (unsigned long long)message->number,
          (unsigned long)message->length, (unsigned long)at);
    }
  }
  received++;
  missed += message->missed;
  if (received == options.stop_at) raise(SIGSTOP);
  pause_for(options.pause);
}

static void subscribe(key_t key, uint64_t count) {
  static struct ShmTopicSubscriber subscriber;
  open_topic(key, false);
  check(shm_topic_open_subscriber(&subscriber, &topic, 0), &subscriber.error);
  printf("ready %ld\n", (long)getpid());
  fflush(stdout);
  while (!stopped && (count == 0 || received + missed < count)) {
    struct ShmTopicMessage message;
    const struct ShmWait wait = patience();
    enum ShmStatus status;
    if (options.drain) {
      status = shm_topic_drain(&subscriber, check_message, NULL, 0, NULL);
      if (status == SHM_EMPTY) status = shm_topic_wait(&subscriber, &wait);
    } else {
      status = shm_topic_receive(&subscriber, &message, &wait);
      if (status == SHM_OK) check_message(NULL, &message);
    }
    if (status == SHM_STOPPED) break;
    check(status, &subscriber.error);
  }
  if (missed > subscriber.missed) die("the count of missed messages is wrong");
  printf("subscribed messages=%llu missed=%llu\n", (unsigned long long)received,
         (unsigned long long)missed);
  shm_topic_close_subscriber(&subscriber);
}

static void print_stats(key_t key) {
  open_topic(key, false);
  for (uint32_t lane = 0; lane < topic.lanes; lane++) {
    struct ShmTopicLaneStats stats;
    shm_topic_lane_stats(&topic, lane, &stats);
    printf("lane %lu messages=%llu opened=%lu closed=%lu alive=%d pid=%ld\n", (unsigned long)lane,
           (unsigned long long)stats.messages, (unsigned long)stats.opened,
           (unsigned long)stats.closed, stats.alive, (long)stats.pid);
  }
}

/* ---- the command line ------------------------------------------------------------------------ */

__attribute__((noreturn)) static void usage(const char *what) {
  fprintf(stderr, "peer: %s; see the head of peer.c\n", what);
  _exit(2);
}

static bool take_value(const char *name, const char *value) {
  const uint32_t number = (uint32_t)strtoul(value, NULL, 0);
  if (strcmp(name, "--lanes") == 0) options.topic.lanes = number;
  else if (strcmp(name, "--capacity") == 0) options.topic.lane_capacity = number;
  else if (strcmp(name, "--message-size") == 0) options.topic.message_size = number;
  else if (strcmp(name, "--type") == 0) options.topic.type = value;
  else if (strcmp(name, "--length") == 0) options.length = number;
  else if (strcmp(name, "--pause") == 0) options.pause = (long)number;
  else if (strcmp(name, "--stop-at") == 0) options.stop_at = number;
  else if (strcmp(name, "--spin") == 0) options.spin = number;
  else return false;
  return true;
}

static bool take_flag(const char *name) {
  if (strcmp(name, "--trust") == 0) options.topic.trust = true;
  else if (strcmp(name, "--drain") == 0) options.drain = true;
  else if (strcmp(name, "--read-only") == 0) options.read_only = true;
  else return false;
  return true;
}

int main(int count, char **arguments) {
  static const char *const results[] = {"in use", "unread", "kept", "not ours", "removed"};
  const char *words[3] = {0};
  int given = 0;
  options.topic = shm_topic_options(0);
  options.length = 64;
  options.spin = SHM_SPIN;
  for (int i = 1; i < count; i++) {
    if (take_flag(arguments[i])) continue;
    if (i + 1 < count && take_value(arguments[i], arguments[i + 1])) i++;
    else if (strncmp(arguments[i], "--", 2) == 0 || given == 3) usage(arguments[i]);
    else words[given++] = arguments[i];
  }
  if (given != 3) usage("three words were expected");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  const key_t key = (key_t)strtoul(words[1], NULL, 0);
  const uint64_t many = strtoull(words[2], NULL, 0);
  if (strcmp(words[0], "publish") == 0) publish(key, many);
  else if (strcmp(words[0], "subscribe") == 0) subscribe(key, many);
  else if (strcmp(words[0], "stat") == 0) print_stats(key);
  else usage("publish, subscribe or stat was expected");
  puts(results[shm_topic_leave(&topic)]);
  return 0;
}
