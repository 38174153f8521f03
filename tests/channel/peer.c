/*
 * A peer of a channel, in C, for tests. gcc -std=gnu11 -O2 -I c tests/channel/peer.c
 *
 *   peer send KEY COUNT SIZE [BATCH]  sends COUNT messages (0: until stopped) of SIZE bytes ("8-600":
 *                                     of many sizes), publishing every BATCH (1) of them
 *   peer recv KEY COUNT               receives COUNT messages (0: until stopped) and checks them
 *   peer stat KEY                     prints a line for each lane
 *
 * Options, in any place:
 *   --lanes L, --capacity C, --message-size M   of a channel that is not there yet
 *   --tag T           of the messages; without it, the process id
 *   --until-closed    recv: ends when there was a producer and there is none, and all was received
 *   --need-consumer   send: ends with an error when the lane is full and there is no consumer
 *   --timeout S       ends with an error when waiting longer than that for one thing (30)
 *   --spin N          how often to look before sleeping
 *
 * A message of sequence number s, tag t and n bytes: the first 8 bytes are s, little-endian, then come
 * 8 at a time the values of shuffle(s, t, n, 1), shuffle(s, t, n, 2)..., cut off after n bytes.
 *
 * stdout: "ready PID [LANE]" as soon as it has its role; at the end a line of "word name=number ...".
 * Exit code 0; 1 with a line on stderr after an error or a wrong message; 2 for wrong usage. SIGINT
 * and SIGTERM end it as COUNT would have.
 */
#include "shm_channel.h"

#include <stdlib.h>

#define MOST_TAGS 65536

static volatile sig_atomic_t stopped = 0;

static struct {
  struct ShmChannelOptions channel;
  bool until_closed, need_consumer;
  uint32_t tag, spin;
  double timeout;
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
  die("status %d: %s", (int)status, line);
}

static struct ShmWait patience(void) {
  struct ShmWait wait = shm_within((int64_t)(options.timeout * 1e9));
  wait.stop = &stopped;
  wait.spin = options.spin;
  wait.need_consumer = options.need_consumer;
  wait.until_closed = options.until_closed;
  return wait;
}

static void open_channel(struct ShmChannel *channel, key_t key) {
  struct ShmChannelOptions wanted = options.channel;
  const struct ShmWait wait = patience();
  wanted.key = key;
  check(shm_channel_open_or_create(channel, &wanted, &wait), &channel->error);
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint64_t shuffle(uint64_t sequence, uint32_t tag, uint32_t length, uint32_t word) {
  uint64_t x = sequence * 0x9e3779b97f4a7c15U + tag + ((uint64_t)length << 32) + word;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9U;
  return x ^ x >> 32;
}

static void write_message(unsigned char *bytes, uint64_t sequence, uint32_t tag, uint32_t length) {
  memcpy(bytes, &sequence, length < 8 ? length : 8);
  for (uint32_t word = 1, at = 8; at < length; word++, at += 8) {
    const uint64_t value = shuffle(sequence, tag, length, word);
    memcpy(bytes + at, &value, length - at < 8 ? length - at : 8);
  }
}

/* The first wrong byte; length when there is none. */
static uint32_t wrong_byte(const unsigned char *bytes, uint64_t sequence, uint32_t tag,
                           uint32_t length) {
  if (memcmp(bytes, &sequence, length < 8 ? length : 8) != 0) return 0;
  for (uint32_t word = 1, at = 8; at < length; word++, at += 8) {
    const uint64_t value = shuffle(sequence, tag, length, word);
    if (memcmp(bytes + at, &value, length - at < 8 ? length - at : 8) != 0) return at;
  }
  return length;
}

/* ---- send ------------------------------------------------------------------------------------ */

static void send_messages(key_t key, uint64_t count, uint32_t least, uint32_t most,
                          uint64_t batch) {
  static struct ShmChannel channel;
  struct ShmChannelProducer producer;
  open_channel(&channel, key);
  check(shm_channel_open_producer(&producer, &channel), &producer.error);
  printf("ready %ld %lu\n", (long)getpid(), (unsigned long)producer.lane);
  fflush(stdout);
  const int64_t begin = shm_now();
  const uint64_t end = count != 0 ? count : UINT64_MAX;
  uint64_t bytes = 0, sequence = 0, staged = 0;
  while (sequence < end && !stopped) {
    const uint32_t length =
        least == most ? least
                      : least + (uint32_t)(shuffle(sequence, 0, 0, 0) % (most - least + 1));
    void *place;
    enum ShmStatus status = shm_channel_claim(&producer, length, options.tag, &place);
    if (status == SHM_FULL) {
      const struct ShmWait wait = patience();
      status = shm_channel_wait_room(&producer, length, &wait);
      staged = 0;
      if (status == SHM_STOPPED) break;
      check(status, &producer.error);
      continue;
    }
    check(status, &producer.error);
    write_message((unsigned char *)place, sequence, options.tag, length);
    shm_channel_stage_claimed(&producer);
    sequence++;
    bytes += length;
    if (++staged >= batch) {
      shm_channel_publish(&producer);
      staged = 0;
    }
  }
  shm_channel_close_producer(&producer);
  printf("sent messages=%llu bytes=%llu tag=%lu seconds=%.6f\n",
         (unsigned long long)sequence, (unsigned long long)bytes,
         (unsigned long)options.tag,
         (double)(shm_now() - begin) / 1e9);
  shm_channel_leave(&channel);
}

/* ---- recv ------------------------------------------------------------------------------------ */

struct Received {
  uint64_t messages, bytes;
  int64_t begin;
  uint32_t tags, last;
  struct {
    uint32_t tag;
    uint64_t next;
  } known[MOST_TAGS];
};

/* The place of a tag among those known; the last one first, for it is probably that. */
static uint32_t place_of(struct Received *received, uint32_t tag) {
  if (received->tags > 0 && received->known[received->last].tag == tag) return received->last;
  for (uint32_t i = 0; i < received->tags; i++) {
    if (received->known[i].tag == tag) return received->last = i;
  }
  return MOST_TAGS;
}

static void check_message(void *argument, const struct ShmChannelMessage *message) {
  struct Received *const received = (struct Received *)argument;
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  uint32_t place = place_of(received, message->tag);
  if (received->messages == 0) received->begin = shm_now();
  if (place == MOST_TAGS) {
    if (received->tags == MOST_TAGS) die("more than %d tags", MOST_TAGS);
    place = received->last = received->tags++;
    received->known[place].tag = message->tag;
    received->known[place].next = 0;
  }
  const uint64_t sequence = received->known[place].next++;
  const uint32_t at = wrong_byte(bytes, sequence, message->tag, message->length);
  if (at != message->length) {
    uint64_t there = 0;
    memcpy(&there, bytes, message->length < 8 ? message->length : 8);
    die("lane %lu, tag %lu: message %llu of %lu bytes is wrong at byte %lu, says it is %llu",
        (unsigned long)message->lane, (unsigned long)message->tag, (unsigned long long)sequence,
        (unsigned long)message->length, (unsigned long)at, (unsigned long long)there);
  }
  received->messages++;
  received->bytes += message->length;
}

static void receive_messages(key_t key, uint64_t count) {
  static struct ShmChannel channel;
  static struct ShmChannelConsumer consumer;
  static struct Received received;
  open_channel(&channel, key);
  check(shm_channel_open_consumer(&consumer, &channel), &consumer.error);
  printf("ready %ld\n", (long)getpid());
  fflush(stdout);
  while ((count == 0 || received.messages < count) && !stopped) {
    const uint64_t most = count != 0 ? count - received.messages : 0;
    enum ShmStatus status = shm_channel_drain(&consumer, check_message, &received, most, NULL);
    if (status == SHM_EMPTY) {
      const struct ShmWait wait = patience();
      status = shm_channel_wait(&consumer, &wait);
      if (status == SHM_CLOSED || status == SHM_STOPPED) break;
    }
    check(status, &consumer.error);
  }
  const double seconds = received.messages > 0 ? (double)(shm_now() - received.begin) / 1e9 : 0;
  printf("received messages=%llu bytes=%llu tags=%lu seconds=%.6f\n",
         (unsigned long long)received.messages, (unsigned long long)received.bytes,
         (unsigned long)received.tags, seconds);
  shm_channel_close_consumer(&consumer);
  shm_channel_leave(&channel);
}

/* ---- stat ------------------------------------------------------------------------------------ */

static void print_stats(key_t key) {
  static struct ShmChannel channel;
  struct ShmChannelOptions wanted = options.channel;
  wanted.key = key;
  const struct ShmWait wait = patience();
  check(shm_channel_open(&channel, &wanted, &wait), &channel.error);
  printf("channel lanes=%lu capacity=%lu message_size=%lu max_message=%lu consumer=%ld\n",
         (unsigned long)channel.lanes, (unsigned long)channel.lane_capacity,
         (unsigned long)channel.message_size, (unsigned long)channel.max_message,
         (long)shm_channel_consumer_pid(&channel));
  for (uint32_t lane = 0; lane < channel.lanes; lane++) {
    struct ShmChannelLaneStats stats;
    shm_channel_lane_stats(&channel, lane, &stats);
    printf("lane %lu depth=%llu bytes=%lu messages=%llu full_waits=%lu opened=%lu closed=%lu"
           " alive=%d pid=%ld\n",
           (unsigned long)lane, (unsigned long long)stats.depth, (unsigned long)stats.bytes,
           (unsigned long long)stats.messages, (unsigned long)stats.full_waits,
           (unsigned long)stats.opened, (unsigned long)stats.closed, stats.alive,
           (long)stats.pid);
  }
  shm_channel_leave(&channel);
}

/* ---- the command line ------------------------------------------------------------------------ */

__attribute__((noreturn)) static void usage(const char *what) {
  fprintf(stderr, "peer: %s; see the head of peer.c\n", what);
  _exit(2);
}

static unsigned long long number(const char *text) {
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 0);
  if (end == text || *end != '\0' || errno != 0) usage("a number was expected");
  return value;
}

/* Takes options with a value; false: it is none of them. */
static bool take_value(const char *name, const char *value) {
  if (strcmp(name, "--lanes") == 0) options.channel.lanes = (uint32_t)number(value);
  else if (strcmp(name, "--capacity") == 0) options.channel.lane_capacity = (uint32_t)number(value);
  else if (strcmp(name, "--message-size") == 0) options.channel.message_size = (uint32_t)number(value);
  else if (strcmp(name, "--tag") == 0) options.tag = (uint32_t)number(value);
  else if (strcmp(name, "--timeout") == 0) options.timeout = strtod(value, NULL);
  else if (strcmp(name, "--spin") == 0) options.spin = (uint32_t)number(value);
  else return false;
  return true;
}

static bool take_flag(const char *name) {
  if (strcmp(name, "--until-closed") == 0) options.until_closed = true;
  else if (strcmp(name, "--need-consumer") == 0) options.need_consumer = true;
  else return false;
  return true;
}

int main(int count, char **arguments) {
  const char *words[5] = {0};
  int given = 0;
  options.channel = shm_channel_options(0);
  options.tag = (uint32_t)getpid();
  options.timeout = 30;
  options.spin = SHM_SPIN;
  for (int i = 1; i < count; i++) {
    if (take_flag(arguments[i])) continue;
    if (i + 1 < count && take_value(arguments[i], arguments[i + 1])) i++;
    else if (strncmp(arguments[i], "--", 2) == 0 || given == 5) usage(arguments[i]);
    else words[given++] = arguments[i];
  }
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (given < 2) usage("too few arguments");
  const char *const what = words[0];
  const key_t key = (key_t)number(words[1]);
  if (strcmp(what, "send") == 0 && given >= 4) {
    char *end;
    const uint32_t least = (uint32_t)strtoul(words[3], &end, 0);
    const uint32_t most = *end == '-' ? (uint32_t)number(end + 1) : least;
    if (most < least) usage("the sizes");
    send_messages(key, number(words[2]), least, most, words[4] != NULL ? number(words[4]) : 1);
  } else if (strcmp(what, "recv") == 0 && given == 3) {
    receive_messages(key, number(words[2]));
  } else if (strcmp(what, "stat") == 0) {
    print_stats(key);
  } else {
    usage("send, recv or stat was expected");
  }
  return 0;
}
