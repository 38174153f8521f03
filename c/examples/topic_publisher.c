/*
 * Publishes each line of its input to all subscribers of a topic, from C. To be copied and changed.
 *
 *   make -C c && ls | c/build/topic_publisher 0x5eed0044
 *
 * What it needs: this file and the headers that shm_topic.h names. Any peers subscribe, in any language:
 * c/build/topic_subscriber 0x5eed0044, or the command `sub`. It waits for none of them, and does not
 * know how many there are.
 */
#include "shm_topic.h"

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "topic_publisher: %s\n", line);
  return 1;
}

/* Publishes a line whole, with any bytes in it, or fails. */
static int publish_lines(struct ShmTopicPublisher *publisher) {
  char *line = NULL;
  size_t room = 0;
  int code = 0;
  for (ssize_t length; !stop && (length = getline(&line, &room, stdin)) > 0;) {
    if (line[length - 1] == '\n') length--;
    const enum ShmStatus status = shm_topic_publish(publisher, line, (size_t)length, 0);
    if (status != SHM_OK) code = fail(&publisher->error);
    if (status != SHM_OK && status != SHM_REFUSED) break;
  }
  if (!stop && ferror(stdin)) {
    perror("topic_publisher: cannot read the input");
    code = 1;
  }
  free(line);
  return code;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: topic_publisher KEY\n");
    return 2;
  }
  /* without SA_RESTART: a signal ends a read */
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  /* the first process creates the topic, and the last one removes it; zeros are the defaults */
  const struct ShmTopicOptions options =
      shm_topic_options((key_t)strtoul(arguments[1], NULL, 0));
  struct ShmTopic topic;
  if (shm_topic_open_or_create(&topic, &options, NULL) != SHM_OK) return fail(&topic.error);

  /* owns a lane, until it is closed or this process dies: then the kernel releases it */
  struct ShmTopicPublisher publisher;
  const int code = shm_topic_open_publisher(&publisher, &topic) == SHM_OK
                       ? publish_lines(&publisher)
                       : fail(&publisher.error);

  shm_topic_close_publisher(&publisher);
  shm_topic_leave(&topic);
  return code;
}
