/*
 * Prints the messages of a topic, one per line, and how many it missed, from C. To be copied and
 * changed.
 *
 *   make -C c && c/build/topic_subscriber 0x5eed0044
 *
 * What it needs: this file and the headers that shm_topic.h names. Any peers publish, in any language:
 * c/build/topic_publisher 0x5eed0044, or the command `pub`.
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
  fprintf(stderr, "topic_subscriber: %s\n", line);
  return 1;
}

/* The bytes are a checked copy: no publisher can change them while they are printed. */
static void print_message(void *argument, const struct ShmTopicMessage *message) {
  (void)argument;
  if (message->missed > 0) {
    fprintf(stderr, "topic_subscriber: missed %llu messages of lane %lu\n",
            (unsigned long long)message->missed, (unsigned long)message->lane);
  }
  fwrite(message->bytes, 1, message->length, stdout);
  putchar('\n');
}

static int print_messages(struct ShmTopicSubscriber *subscriber) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  int code = 0;
  wait.stop = &stop;
  for (;;) {
    enum ShmStatus status = shm_topic_drain(subscriber, print_message, NULL, 0, NULL);
    if (fflush(stdout) != 0 || ferror(stdout)) {
      perror("topic_subscriber: cannot print");
      return 1;
    }
    if (status == SHM_EMPTY) status = shm_topic_wait(subscriber, &wait);
    if (status == SHM_STOPPED) return code;
    if (status == SHM_OK) continue;
    code = fail(&subscriber->error);
    /* another program wrote into one lane: the others go on, and it does with its next message */
    if (status != SHM_CORRUPT) return code;
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: topic_subscriber KEY\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  const struct ShmTopicOptions options =
      shm_topic_options((key_t)strtoul(arguments[1], NULL, 0));
  struct ShmTopic topic;
  if (shm_topic_open_or_create(&topic, &options, NULL) != SHM_OK) return fail(&topic.error);

  /* begins with what the rings still hold; static: it is large (256 lanes) */
  static struct ShmTopicSubscriber subscriber;
  const int code =
      shm_topic_open_subscriber(&subscriber, &topic, SHM_TOPIC_ALL) == SHM_OK
          ? print_messages(&subscriber)
          : fail(&subscriber.error);

  shm_topic_close_subscriber(&subscriber);
  shm_topic_leave(&topic);
  return code;
}
