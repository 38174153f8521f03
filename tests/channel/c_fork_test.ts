/** C: a forked child has none of its parent's handles. Whatever it does with them does nothing. */

import assert from "node:assert/strict";
import { MailboxClient, SemaphoreSet } from "../../mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

/**
 * `KEY HOW`: sends 1 to 5, forks, and sends 6 to 10 when the child is done: one that exits (e), that
 * closes and leaves (c), does so and lives on as long as its parent (l), or tries everything (t).
 */
const forker = new CProgram(`
  #include "shm_channel.h"
  #include <stdlib.h>
  #include <sys/wait.h>
  static struct ShmChannel channel;
  static struct ShmChannelProducer producer, second;
  static struct ShmChannelConsumer consumer;
  static void must(bool right, const char *what) {
    if (right) return;
    fprintf(stderr, "not so: %s\\n", what);
    _exit(1);
  }
  static void send_numbers(int from, int to) {
    for (int i = from; i <= to; i++) {
      const unsigned char byte = (unsigned char)i;
      must(shm_channel_send(&producer, &byte, 1, 0, NULL) == SHM_OK, "sent");
    }
  }
  static void try_everything(void) {
    char line[800];
    struct ShmChannelMessage message;
    void *place;
    shm_channel_publish(&producer);
    shm_channel_commit(&producer);
    must(shm_channel_try_send(&producer, "x", 1, 0) == SHM_FORKED, "try_send");
    must(shm_channel_send(&producer, "x", 1, 0, NULL) == SHM_FORKED, "send");
    must(shm_channel_claim(&producer, 1, 0, &place) == SHM_FORKED && !place, "claim");
    must(shm_channel_wait_room(&producer, 1, NULL) == SHM_FORKED, "wait_room");
    shm_describe(&producer.error, line, sizeof line);
    must(strstr(line, "opened it, and fork passes on none") != NULL, line);
    must(shm_channel_next(&consumer, &message) == SHM_FORKED, "next");
    must(shm_channel_drain(&consumer, NULL, NULL, 0, NULL) == SHM_FORKED, "drain");
    must(shm_channel_receive(&consumer, line, 1, &message, NULL) == SHM_FORKED, "receive");
    must(shm_channel_wait(&consumer, NULL) == SHM_FORKED, "wait");
    must(shm_channel_discard(&consumer, 0) == SHM_FORKED, "discard");
    shm_channel_ack(&consumer);
    shm_channel_nack(&consumer);
    must(shm_channel_open_producer(&second, &channel) == SHM_FORKED, "open_producer");
    must(shm_channel_remove(&channel) == SHM_FORKED, "remove");
    /* by its own handles it is a peer like any other */
    struct ShmChannel anew;
    const struct ShmChannelOptions options = shm_channel_options(channel.options.key);
    must(shm_channel_open(&anew, &options, NULL) == SHM_OK, "open anew");
    must(shm_channel_open_producer(&second, &anew) == SHM_OK, "a lane of its own");
    must(second.lane != producer.lane, "another lane");
    must(shm_channel_try_send(&producer, "x", 1, 0) == SHM_FORKED, "still");
    shm_channel_close_producer(&second);
    shm_channel_leave(&anew);
  }
  int main(int count, char **words) {
    const struct ShmChannelOptions options = shm_channel_options((key_t)strtoul(words[1], NULL, 0));
    const char how = words[2][0];
    int over[2], done[2];
    char byte;
    must(count == 3 && pipe(over) == 0 && pipe(done) == 0, "a pipe");
    must(shm_channel_open(&channel, &options, NULL) == SHM_OK, channel.error.what);
    must(shm_channel_open_producer(&producer, &channel) == SHM_OK, producer.error.what);
    if (how == 't') {
      must(shm_channel_open_consumer(&consumer, &channel) == SHM_OK, "the role");
      must(shm_channel_stage(&producer, "s", 1, 0) == SHM_OK, "staged");
    } else {
      send_numbers(1, 5);
    }
    const pid_t child = fork();
    if (child == 0) {
      close(over[1]);
      if (how == 't') try_everything();
      if (how != 'e') {
        shm_channel_close_producer(&producer);
        shm_channel_close_consumer(&consumer);
        must(shm_channel_leave(&channel) == SHM_IN_USE, "left");
      }
      must(write(done[1], "", 1) == 1, "done");
      if (how == 'l') must(read(over[0], &byte, 1) == 0, "the end");
      _exit(0);
    }
    int end = 0;
    close(done[1]);
    must(read(done[0], &byte, 1) == 1, "the child is done");
    if (how != 'l') waitpid(child, &end, 0);
    must(end == 0, "the child's end");
    if (how == 't') {
      struct ShmChannelMessage message;
      must(shm_channel_next(&consumer, &message) == SHM_EMPTY, "staged is not published");
      shm_channel_publish(&producer);
      must(shm_channel_next(&consumer, &message) == SHM_OK, "what was staged");
      shm_channel_ack(&consumer);
      shm_channel_close_consumer(&consumer);
    } else {
      puts("forked");
      fflush(stdout);
      must(read(0, &byte, 1) == 1, "told to go on");
      send_numbers(6, 10);
    }
    shm_channel_close_producer(&producer);
    shm_channel_leave(&channel);
    close(over[1]);
    return 0;
  }`);

for (
  const [how, name] of [["e", "exits"], ["c", "closes and leaves"], ["l", "lives on"]] as const
) {
  testWith(
    C_NEEDS,
    `shm_channel.h: a forked child that ${name} takes nothing from its parent`,
    async () => {
      using channel = scratchChannel({ lanes: 2, laneCapacity: 1024 });
      using consumer = channel.consumer();
      const received: number[] = [];
      await using sender = forker.start(channel.key, how);
      await sender.line();
      // We two are counted still
      assert.equal(SemaphoreSet.open(channel.key).value(channel.lanes + 2), 2);
      // The lane is still its parent's
      assert.deepEqual(channel.stats().lanes.map(({ alive }) => alive), [true, false]);
      assert.equal(channel.stats().lanes[0]!.pid, sender.pid);
      await sender.write("\n");
      for await (const { bytes } of consumer.messages({ until: "closed" })) {
        received.push(
          bytes[0]!,
        );
      }
      assert.deepEqual(received, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.deepEqual((await sender.ended()).stderr, "");
      assert.deepEqual(channel.stats().lanes[0]!.closed, 1);
    },
  );
}

testWith(C_NEEDS, "shm_channel.h: every call with an inherited handle is refused", async () => {
  using channel = scratchChannel({ lanes: 2, laneCapacity: 1024 });
  await using sender = forker.start(channel.key, "t");
  const { code, stderr } = await sender.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(channel.close(), "removed");
});

/** `KEY`: a server with a message in hand forks a child that tries everything, and then takes it. */
const forkingServer = new CProgram(`
  #include "common.h"
  #include <stdlib.h>
  #include <sys/wait.h>
  static struct ShmMailbox box;
  static void must(bool right, const char *what) {
    if (right) return;
    fprintf(stderr, "not so: %s\\n", what);
    _exit(1);
  }
  int main(int count, char **words) {
    const struct ShmMailboxOptions options = {(key_t)strtoul(words[count - 1], NULL, 0), 0600, false,
                                              false};
    static char text[SHM_MAILBOX_TEXT_SIZE + 1];
    size_t length;
    pid_t sender;
    int end;
    must(shm_mailbox_join(&box, &options, NULL) == SHM_MAILBOX_OK, box.error.what);
    must(shm_mailbox_acquire_server(&box) == SHM_MAILBOX_OK, box.error.what);
    puts("serving");
    fflush(stdout);
    must(shm_mailbox_receive(&box, text, &length, &sender, NULL) == SHM_MAILBOX_OK, "received");
    const pid_t child = fork();
    if (child == 0) {
      enum ShmMailboxOutcome outcome;
      shm_mailbox_ack(&box);
      shm_mailbox_nack(&box);
      shm_mailbox_release_server(&box);
      must(shm_mailbox_send(&box, "x", 1, true, NULL, &outcome) == SHM_MAILBOX_FORKED, "send");
      must(outcome == SHM_MAILBOX_NOT_SENT, "not sent");
      must(shm_mailbox_receive(&box, text, &length, &sender, NULL) == SHM_MAILBOX_FORKED, "receive");
      must(shm_mailbox_acquire_server(&box) == SHM_MAILBOX_FORKED, "claim");
      shm_mailbox_leave(&box);
      _exit(0);
    }
    waitpid(child, &end, 0);
    must(end == 0, "the child's end");
    must(shmi_value(box.member.set, SHM_MAILBOX_SEM_IN_FLIGHT) == 1, "still in hand");
    must(shmi_value(box.member.set, SHM_MAILBOX_SEM_SERVER) == 1, "still the server");
    must(shm_mailbox_has_server(&box) && shmi_can_read(&box), "still in the slot");
    puts(text);
    shm_mailbox_ack(&box);
    shm_mailbox_leave(&box);
    return 0;
  }`);

testWith(C_NEEDS, "common.h: every call with an inherited handle is refused", async () => {
  const key = freshKey();
  await using server = forkingServer.start(key);
  await server.line();
  const client = MailboxClient.open({ key });
  await client.send("hello");
  assert.equal(await server.line(), "hello");
  const { code, stderr } = await server.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  client.close();
});
