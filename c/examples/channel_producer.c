/*
 * Sends each line of its input as one message on a channel, from C. To be copied and changed.
 *
 *   make -C c && ls | c/build/channel_producer 0x5eed0042
 *
 * What it needs: this file, shm_channel.h and shm_sync.h. Any peer receives, in any language:
 * c/build/channel_consumer 0x5eed0042, or the command `recv --key 0x5eed0042`.
 */
#include "shm_channel.h"

#include <stdlib.h>

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmChannelError *error) {
  char line[800];
  shm_channel_describe(error, line, sizeof line);
  fprintf(stderr, "channel_producer: %s\n", line);
  return 1;
}

static int send_lines(struct ShmChannelProducer *producer) {
  /* waits for room for ever, unless somebody presses Ctrl-C */
  struct ShmChannelWait wait = shm_channel_within(SHM_CHANNEL_FOREVER);
  wait.stop = &stop;
  char line[4096];
  while (!stop && fgets(line, sizeof line, stdin) != NULL) {
    const size_t length = strcspn(line, "\n");
    const enum ShmChannelStatus status = shm_channel_send(producer, line, length, 0, &wait);
    if (status == SHM_CHANNEL_STOPPED) return 0;
    if (status != SHM_CHANNEL_OK) return fail(&producer->error);
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: channel_producer KEY\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  /* whoever comes first makes the channel; zeros in the options stand for what is usual */
  const struct ShmChannelOptions options =
      shm_channel_options((key_t)strtoul(arguments[1], NULL, 0));
  struct ShmChannel channel;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_CHANNEL_OK) {
    return fail(&channel.error);
  }

  /* a lane of our own, until we close it or die: the kernel gives it back then */
  struct ShmChannelProducer producer;
  int code = shm_channel_open_producer(&producer, &channel) == SHM_CHANNEL_OK
                 ? send_lines(&producer)
                 : fail(&producer.error);

  shm_channel_close_producer(&producer);
  shm_channel_leave(&channel);
  return code;
}
