/*
 * One publisher and several subscribers of iceoryx 2, by its binding for C. ADDRESS is KEY/SUBSCRIBERS: they
 * meet at a semaphore with that key. `send` starts the daemon of iceoryx, iox-roudi, and ends it. As with the
 * topic, a full queue of a subscriber drops its oldest message, and the publisher does not wait.
 */
#include "peer.h"

#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <errno.h>
#include <signal.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const SERVICE = "bench";
static const uint64_t END = UINT64_MAX;

/* Waits until all are there; the sender made the semaphore with the number of all. */
static int meet(key_t key) {
  int set;
  while ((set = semget(key, 0, 0)) == -1 || semctl(set, 0, GETVAL) == 0) sleep_ms(2);
  struct sembuf here = {0, -1, 0}, all = {0, 0, 0};
  if (semop(set, &here, 1) == -1) fail("semop");
  /* The sender removes it when all were there */
  if (semop(set, &all, 1) == -1 && errno != EIDRM && errno != EINVAL) fail("semop");
  return set;
}

static pid_t start_daemon(void) {
  const pid_t daemon = fork();
  if (daemon == -1) fail("fork");
  if (daemon == 0) {
    signal(SIGTERM, SIG_DFL);
    if (freopen("/dev/null", "w", stdout) == NULL) _exit(1);
    execlp("iox-roudi", "iox-roudi", "--log-level", "off", "--kill-delay", "1", (char *)NULL);
    _exit(127);
  }
  return daemon;
}

static void publish(iox_pub_t publisher, size_t size, uint64_t number) {
  void *payload;
  if (iox_pub_loan_chunk(publisher, &payload, (uint32_t)size) != AllocationResult_SUCCESS) {
    fprintf(stderr, "error: no chunk is free\n");
    exit(1);
  }
  memset(payload, (int)(number & 255), size);
  memcpy(payload, &number, sizeof number);
  iox_pub_publish_chunk(publisher, payload);
}

static void publish_all(const struct Part *part, key_t key, int subscribers) {
  iox_runtime_init("bench-send");
  iox_pub_storage_t storage;
  iox_pub_options_t options;
  iox_pub_options_init(&options);
  options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_DISCARD_OLDEST_DATA;
  const iox_pub_t publisher = iox_pub_init(&storage, SERVICE, SERVICE, SERVICE, &options);
  const int set = semget(key, 1, IPC_CREAT | 0600);
  union { int val; } value = {subscribers + 1};
  if (set == -1 || semctl(set, 0, SETVAL, value) == -1) fail("semget");
  meet(key);
  uint64_t number = 0;
  while (number < (uint64_t)part->warm) publish(publisher, part->size, number++);
  const struct Meter meter = meter_begin();
  for (long i = 0; i < part->count; i++) publish(publisher, part->size, number++);
  meter_end(&meter, "send", part->count);
  publish(publisher, part->size, END);
  /* The daemon has their memory: it ends after them */
  if (semctl(set, 0, SETVAL, value) == -1) fail("semctl");
  meet(key);
  semctl(set, 0, IPC_RMID);
  iox_pub_deinit(publisher);
}

/* Publishes in a process of its own: the daemon ends only when no process is registered with it. */
static int send_all(const struct Part *part, key_t key, int subscribers) {
  const pid_t daemon = start_daemon();
  const pid_t publisher = fork();
  if (publisher == -1) fail("fork");
  if (publisher == 0) {
    publish_all(part, key, subscribers);
    exit(0);
  }
  int status = 1;
  waitpid(publisher, &status, 0);
  kill(daemon, SIGTERM);
  waitpid(daemon, NULL, 0);
  return status == 0 ? 0 : 1;
}

static void receive_all(const struct Part *part, key_t key) {
  char name[40];
  /* The runtime gives up where no daemon is */
  while (semget(key, 0, 0) == -1) sleep_ms(2);
  snprintf(name, sizeof name, "bench-recv-%ld", (long)getpid());
  iox_runtime_init(name);
  iox_sub_storage_t storage;
  iox_sub_options_t options;
  iox_sub_options_init(&options);
  options.queueCapacity = 256;
  const iox_sub_t subscriber = iox_sub_init(&storage, SERVICE, SERVICE, SERVICE, &options);
  while (iox_sub_get_subscription_state(subscriber) != SubscribeState_SUBSCRIBED) sleep_ms(1);
  meet(key);
  struct Meter meter = meter_begin();
  bool measured = false;
  long received = 0;
  uint64_t number = 0;
  while (number != END) {
    const void *payload;
    if (iox_sub_take_chunk(subscriber, &payload) != ChunkReceiveResult_SUCCESS) continue;
    memcpy(&number, payload, sizeof number);
    iox_sub_release_chunk(subscriber, payload);
    if (!measured && number >= (uint64_t)part->warm) {
      measured = true;
      received = 0;
      meter = meter_begin();
    }
    received++;
  }
  meter_end(&meter, "recv", received);
  meet(key);
  iox_sub_deinit(subscriber);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  const char *const slash = strchr(part.address, '/');
  const key_t key = (key_t)atol(part.address);
  if (slash == NULL) return 2;
  /* The daemon tells what is still registered to end */
  signal(SIGTERM, SIG_IGN);
  if (strcmp(part.role, "send") == 0) return send_all(&part, key, atoi(slash + 1));
  if (strcmp(part.role, "recv") != 0) return 2;
  receive_all(&part, key);
  return 0;
}
