/*
 * Prints the messages of a channel, one per line, until all its producers have gone, from C. To be
 * copied and changed.
 *
 *   make -C c && c/build/channel_consumer 0x5eed0042
 *
 * What it needs: this file and the headers that shm_channel.h names. Any peer sends, in any
 * language: c/build/channel_producer 0x5eed0042, or the command `send --key 0x5eed0042`.
 */
#include "shm_channel.h"

#include <stdlib.h>

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "channel_consumer: %s\n", line);
  return 1;
}

/* Prints all messages, then acknowledges them: after a kill the next consumer receives them. */
static int receive(struct ShmChannelConsumer *consumer) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  bool unreadable[SHM_CHANNEL_LANES_MAX] = {false};
  int code = 0;
  wait.stop = &stop;
  wait.until_closed = true;
  for (;;) {
    struct ShmChannelMessage message;
    enum ShmStatus status = shm_channel_more(consumer, &message);
    if (status == SHM_OK) {
      fwrite(message.bytes, 1, message.length, stdout);
      putchar('\n');
      continue;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
      perror("channel_consumer: cannot print, the messages stay for the next consumer");
      return 1;
    }
    shm_channel_ack(consumer);
    if (status == SHM_CORRUPT) {
      /* all other lanes are read first: its turn comes again after theirs */
      const uint32_t lane = consumer->error.lane;
      if (unreadable[lane]) return code;
      unreadable[lane] = true;
      code = fail(&consumer->error);
      continue;
    }
    if (status == SHM_EMPTY) status = shm_channel_wait(consumer, &wait);
    if (status == SHM_CLOSED || status == SHM_STOPPED) return code;
    if (status != SHM_OK) return fail(&consumer->error);
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: channel_consumer KEY\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  /* the first process creates the channel; zeros in the options are the defaults */
  const struct ShmChannelOptions options =
      shm_channel_options((key_t)strtoul(arguments[1], NULL, 0));
  struct ShmChannel channel;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) {
    return fail(&channel.error);
  }

  /* the one consumer, until it is closed or this process dies; static: it is large (256 lanes) */
  static struct ShmChannelConsumer consumer;
  int code = shm_channel_open_consumer(&consumer, &channel) == SHM_OK
                 ? receive(&consumer)
                 : fail(&consumer.error);

  shm_channel_close_consumer(&consumer);
  shm_channel_leave(&channel);
  return code;
}
