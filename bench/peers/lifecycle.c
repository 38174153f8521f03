/* What opening and leaving costs, in C: see lifecycle.ts. */
#include "../../c/common.h"
#include "../../c/shm_channel.h"

#include "peer.h"

enum { SIZE = 1 << 20 };

static key_t key;
static int existing;

static void create_and_remove(void) {
  const int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
  if (id < 0) fail("shmget");
  void *const address = shmat(id, NULL, 0);
  shmctl(id, IPC_RMID, NULL);
  shmdt(address);
}

static void attach(void) { shmdt(shmat(existing, NULL, 0)); }

static void channel_new(void) {
  static struct ShmChannel channel;
  static struct ShmChannelProducer producer;
  struct ShmChannelOptions options = shm_channel_options(key);
  options.lanes = 1;
  options.lane_capacity = SIZE;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK ||
      shm_channel_open_producer(&producer, &channel) != SHM_OK) {
    exit(1);
  }
  shm_channel_close_producer(&producer);
  shm_channel_leave(&channel);
}

static void mailbox_join(void) {
  static struct ShmMailbox box;
  const struct ShmMailboxOptions options = {key, 0600, false, false};
  if (shm_mailbox_join(&box, &options, NULL) != SHM_MAILBOX_OK) exit(1);
  shm_mailbox_leave(&box);
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(void (*action)(void), long count) {
  double *const times = (double *)calloc((size_t)count, sizeof *times);
  for (long i = -count / 10; i < count; i++) {
    const double start = now_ns();
    action();
    if (i >= 0) times[i] = now_ns() - start;
  }
  qsort(times, (size_t)count, sizeof *times, compare);
  const double middle = times[count / 2];
  free(times);
  return middle;
}

int main(int argc, char **argv) {
  static int others[4096];
  if (argc != 5) return 2;
  key = (key_t)atol(argv[1]);
  const long count = atol(argv[2]);
  const long others_count = atol(argv[3]);
  const key_t from = (key_t)atol(argv[4]);
  for (long i = 0; i < others_count; i++) {
    others[i] = shmget(from + (key_t)i, 1, IPC_CREAT | IPC_EXCL | 0600);
    if (others[i] < 0) fail("error: shmget of another segment");
  }
  const double create = median(create_and_remove, count);
  existing = shmget(key, SIZE, IPC_CREAT | 0600);
  const double attached = median(attach, count);
  shmctl(existing, IPC_RMID, NULL);
  const double fresh = median(channel_new, count);

  static struct ShmChannel channel;
  struct ShmChannelOptions options = shm_channel_options(key);
  options.lanes = 1;
  options.lane_capacity = SIZE;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) return 1;
  const double joined = median(channel_new, count);
  shm_channel_leave(&channel);

  static struct ShmMailbox box;
  const struct ShmMailboxOptions box_options = {key, 0600, false, false};
  if (shm_mailbox_join(&box, &box_options, NULL) != SHM_MAILBOX_OK) return 1;
  const double mailbox = median(mailbox_join, count);
  shm_mailbox_leave(&box);
  for (long i = 0; i < others_count; i++) shmctl(others[i], IPC_RMID, NULL);
  printf("{\"role\":\"costs\",\"figures\":{\"create\":%.0f,\"attach\":%.0f,"
         "\"channelNew\":%.0f,\"channelJoin\":%.0f,\"mailboxJoin\":%.0f}}\n",
         create, attached, fresh, joined, mailbox);
  return 0;
}
