/*
 * Sends each line of its input as one message on a channel, from C. To be copied and changed.
 *
 *   make -C c && ls | c/build/channel_producer 0x5eed0042
 *
 * What it needs: this file and the headers that shm_channel.h names. Any peer receives, in any
 * language: c/build/channel_consumer 0x5eed0042, or the command `recv --key 0x5eed0042`.
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
  fprintf(stderr, "channel_producer: %s\n", line);
  return 1;
}

/* Sends a line whole, with any bytes in it, or fails. */
static int send_lines(struct ShmChannelProducer *producer) {
  /* waits for room forever, until Ctrl-C */
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.stop = &stop;
  char *line = NULL;
  size_t room = 0;
  int code = 0;
  for (ssize_t length; !stop && (length = getline(&line, &room, stdin)) > 0;) {
    if (line[length - 1] == '\n') length--;
    const enum ShmStatus status =
        shm_channel_send(producer, line, (size_t)length, 0, &wait);
    if (status == SHM_STOPPED) break;
    if (status != SHM_OK) code = fail(&producer->error);
    if (status != SHM_OK && status != SHM_REFUSED) break;
  }
  if (!stop && ferror(stdin)) {
    perror("channel_producer: cannot read the input");
    code = 1;
  }
  free(line);
  return code;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: channel_producer KEY\n");
    return 2;
  }
  /* without SA_RESTART: a signal ends a read */
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  /* the first process creates the channel; zeros in the options are the defaults */
  const struct ShmChannelOptions options =
      shm_channel_options((key_t)strtoul(arguments[1], NULL, 0));
  struct ShmChannel channel;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) {
    return fail(&channel.error);
  }

  /* owns a lane, until it is closed or this process dies: then the kernel releases it */
  struct ShmChannelProducer producer;
  int code = shm_channel_open_producer(&producer, &channel) == SHM_OK
                 ? send_lines(&producer)
                 : fail(&producer.error);

  shm_channel_close_producer(&producer);
  shm_channel_leave(&channel);
  return code;
}
