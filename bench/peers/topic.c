/* A topic in C: the twin of topic.ts, see there. */
#include "../../c/shm_topic.h"

#include "peer.h"

enum { DISTINCT = 1024, END = 1, LOOK_MS = 20 };

static void check(enum ShmStatus status, const struct ShmError *error) {
  char line[512];
  if (status == SHM_OK || status == SHM_EMPTY) return;
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "error: %s\n", line);
  exit(1);
}

static void open_topic(struct ShmTopic *topic, key_t key) {
  struct ShmTopicOptions options = shm_topic_options(key);
  options.lanes = 1;
  check(shm_topic_open_or_create(topic, &options, NULL), &topic->error);
}

/* Waits until all are there: a semaphore at the key after the topic's counts down from their number. */
static int meet(key_t key, int all) {
  union {
    int val;
  } value = {all};
  int set = semget(key + 1, 1, IPC_CREAT | IPC_EXCL | 0600);
  if (set != -1) {
    if (semctl(set, 0, SETVAL, value) == -1) fail("semctl");
  } else {
    set = semget(key + 1, 1, 0);
  }
  struct sembuf here = {0, -1, 0}, zero = {0, 0, 0};
  if (semop(set, &here, 1) == -1) fail("semop");
  /* The sender removes it at its end, when all were there */
  if (semop(set, &zero, 1) == -1 && errno != EIDRM && errno != EINVAL) fail("semop");
  return set;
}

static void publish(struct ShmTopicPublisher *publisher, const unsigned char *messages, size_t size,
                    long count) {
  for (long i = 0; i < count; i++) {
    shm_topic_publish(publisher, messages + (size_t)(i % DISTINCT) * size, size, 0);
  }
}

static void send_all(const struct Part *part, key_t key, int subscribers) {
  static struct ShmTopic topic;
  struct ShmTopicPublisher publisher;
  unsigned char *const messages = (unsigned char *)malloc(DISTINCT * part->size);
  if (messages == NULL) fail("malloc");
  for (size_t i = 0; i < DISTINCT; i++) {
    memset(messages + i * part->size, 1 + (int)i % 255, part->size);
  }
  open_topic(&topic, key);
  check(shm_topic_open_publisher(&publisher, &topic), &publisher.error);
  const int set = meet(key, subscribers + 1);
  publish(&publisher, messages, part->size, part->warm);
  const struct Meter meter = meter_begin();
  publish(&publisher, messages, part->size, part->count);
  meter_end(&meter, "send", part->count);
  check(shm_topic_publish(&publisher, messages, part->size, END), &publisher.error);
  shm_topic_close_publisher(&publisher);
  shm_topic_leave(&topic);
  semctl(set, 0, IPC_RMID);
  free(messages);
}

struct Seen {
  long received;
  long sum;
  bool ended;
};

static void see(void *argument, const struct ShmTopicMessage *message) {
  struct Seen *const seen = (struct Seen *)argument;
  seen->received++;
  seen->sum += *(const unsigned char *)message->bytes;
  if (message->tag == END) seen->ended = true;
}

static void receive_all(const struct Part *part, key_t key, int subscribers, bool looking) {
  static struct ShmTopic topic;
  static struct ShmTopicSubscriber subscriber;
  open_topic(&topic, key);
  check(shm_topic_open_subscriber(&subscriber, &topic, 0), &subscriber.error);
  meet(key, subscribers + 1);
  struct Seen seen = {0, 0, false};
  struct Meter meter = meter_begin();
  bool running = false;
  while (!seen.ended) {
    if (looking) sleep_ms(LOOK_MS);
    if (!running && seen.received + (long)subscriber.missed >= part->warm) {
      running = true;
      seen.received = 0;
      meter = meter_begin();
    }
    const enum ShmStatus status = shm_topic_drain(&subscriber, see, &seen, 0, NULL);
    check(status, &subscriber.error);
    if (status == SHM_EMPTY && !looking) check(shm_topic_wait(&subscriber, NULL), &subscriber.error);
  }
  if (!looking) meter_end(&meter, "recv", seen.received);
  shm_topic_close_subscriber(&subscriber);
  shm_topic_leave(&topic);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  const char *const slash = strchr(part.address, '/');
  if (slash == NULL) return 2;
  const key_t key = (key_t)atol(part.address);
  const int subscribers = atoi(slash + 1);
  if (strcmp(part.role, "send") == 0) send_all(&part, key, subscribers);
  else if (strcmp(part.role, "recv") == 0) receive_all(&part, key, subscribers, false);
  else if (strcmp(part.role, "look") == 0) receive_all(&part, key, subscribers, true);
  else return 2;
  return 0;
}
