/** C: a forked child has none of its parent's handles at a topic. */

import assert from "node:assert/strict";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { scratchTopic } from "./scratch_topic.ts";

guardAgainstLeaks();

/** `KEY`: publishes 1, forks a child that tries everything, and publishes 2 when the child has ended. */
const forker = new CProgram(`
  #include "shm_topic.h"
  #include <sys/wait.h>
  static struct ShmTopic topic, anew;
  static struct ShmTopicPublisher publisher, second;
  static struct ShmTopicSubscriber subscriber, other;
  static void must(bool right, const char *what) {
    if (right) return;
    fprintf(stderr, "not so: %s\\n", what);
    _exit(1);
  }
  static void try_everything(void) {
    struct ShmTopicMessage message = {"x", 1, 0, 0, 0, 0};
    char line[800];
    must(shm_topic_publish(&publisher, "x", 1, 0) == SHM_FORKED, "publish");
    must(shm_topic_publish_many(&publisher, &message, 1) == SHM_FORKED, "publish_many");
    shm_describe(&publisher.error, line, sizeof line);
    must(strstr(line, "opened it, and fork passes on none") != NULL, line);
    must(shm_topic_try_receive(&subscriber, &message) == SHM_FORKED, "try_receive");
    must(shm_topic_receive(&subscriber, &message, NULL) == SHM_FORKED, "receive");
    must(shm_topic_drain(&subscriber, NULL, NULL, 0, NULL) == SHM_FORKED, "drain");
    must(shm_topic_wait(&subscriber, NULL) == SHM_FORKED, "wait");
    must(shm_topic_open_publisher(&second, &topic) == SHM_FORKED, "open_publisher");
    must(shm_topic_open_subscriber(&other, &topic, 0) == SHM_FORKED, "open_subscriber");
    must(shm_topic_remove(&topic) == SHM_FORKED, "remove");
    shm_topic_close_publisher(&publisher);
    shm_topic_close_subscriber(&subscriber);
    must(shm_topic_leave(&topic) == SHM_IN_USE, "leave");
    /* by its own handles it is a peer like any other */
    const struct ShmTopicOptions options = shm_topic_options(topic.options.key);
    must(shm_topic_open(&anew, &options, NULL) == SHM_OK, "open anew");
    must(shm_topic_open_publisher(&second, &anew) == SHM_BUSY, "the lane is its parent's");
    must(shm_topic_open_subscriber(&other, &anew, 1) == SHM_OK, "a subscriber of its own");
    must(shm_topic_receive(&other, &message, NULL) == SHM_OK, "receives");
    must(message.number == 1 && *(const char *)message.bytes == '1', "the message of its parent");
    shm_topic_close_subscriber(&other);
    must(shm_topic_leave(&anew) == SHM_IN_USE, "leave anew");
  }
  int main(int count, char **words) {
    const struct ShmTopicOptions options =
        shm_topic_options((key_t)strtoul(words[count - 1], NULL, 0));
    struct ShmTopicMessage message;
    int end;
    must(shm_topic_open(&topic, &options, NULL) == SHM_OK, topic.error.what);
    must(shm_topic_open_publisher(&publisher, &topic) == SHM_OK, publisher.error.what);
    must(shm_topic_open_subscriber(&subscriber, &topic, 0) == SHM_OK, subscriber.error.what);
    must(shm_topic_publish(&publisher, "1", 1, 0) == SHM_OK, publisher.error.what);
    const pid_t child = fork();
    if (child == 0) {
      try_everything();
      _exit(0);
    }
    waitpid(child, &end, 0);
    must(end == 0, "the child's end");
    must(shm_topic_publish(&publisher, "2", 1, 0) == SHM_OK, publisher.error.what);
    for (uint64_t number = 1; number <= 2; number++) {
      must(shm_topic_receive(&subscriber, &message, NULL) == SHM_OK, subscriber.error.what);
      must(message.number == number && message.missed == 0, "both are received");
    }
    shm_topic_close_subscriber(&subscriber);
    shm_topic_close_publisher(&publisher);
    must(shm_topic_leave(&topic) == SHM_IN_USE, "leave");
    return 0;
  }`);

testWith(C_NEEDS, "shm_topic.h: every call with an inherited handle is refused", async () => {
  using topic = scratchTopic();
  using subscriber = topic.subscriber();
  await using program = forker.start(topic.key);
  const { code, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  const texts: string[] = [];
  subscriber.drain((bytes) => texts.push(new TextDecoder().decode(bytes)));
  assert.deepEqual(texts, ["1", "2"]);
});
