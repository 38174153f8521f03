/** C acknowledges as TypeScript does: what is in hand when it closes, or throws, is there for the next. */

import assert from "node:assert/strict";
import { type Channel, MailboxClient, MailboxServer } from "../../mod.ts";
import { CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

const NEEDS = { tools: ["gcc", "g++"], files: true } as const;

/** `KEY HOW`: is the consumer, and prints what it is handed. In C++, for its exceptions. */
const consuming = new CProgram(
  `
  #include "shm_channel.h"
  static struct ShmChannel channel;
  static struct ShmChannelConsumer consumer;
  static struct ShmChannelMessage message;
  static unsigned char copy[64];
  static int refused = 2;
  static void print(const void *bytes) { printf("%d ", *static_cast<const unsigned char *>(bytes)); }
  static bool refuse(void *, const struct ShmChannelMessage *each) {
    print(each->bytes);
    return *static_cast<const unsigned char *>(each->bytes) != refused;
  }
  static bool fail(void *, const struct ShmChannelMessage *each) {
    if (!refuse(NULL, each)) throw 1;
    return true;
  }
  static void visit(void *, const struct ShmChannelMessage *each) { fail(NULL, each); }
  static void next(enum ShmStatus (*how)(struct ShmChannelConsumer *, struct ShmChannelMessage *)) {
    if (how(&consumer, &message) == SHM_OK) print(message.bytes);
    else printf("none ");
  }
  int main(int, char **arguments) {
    const struct ShmChannelOptions options = shm_channel_options(atoi(arguments[1]));
    if (shm_channel_open(&channel, &options, NULL) != SHM_OK) return 1;
    if (shm_channel_open_consumer(&consumer, &channel) != SHM_OK) return 1;
    struct ShmWait closed = shm_within(SHM_FOREVER);
    closed.until_closed = true;
    for (const char *how = arguments[2]; *how != 0; how++) {
      try {
        switch (*how) {
          case 'n': next(shm_channel_next); break;
          case 'm': next(shm_channel_more); break;
          case 'r':
            if (shm_channel_receive(&consumer, copy, sizeof copy, &message, NULL) == SHM_OK) print(copy);
            break;
          case 'a': shm_channel_ack(&consumer); break;
          case 'b': shm_channel_nack(&consumer); break;
          case 'p': print("*"); fflush(stdout); getchar(); break;
          case 'x': shm_channel_discard(&consumer, 0); break;
          case 'c': printf("%d ", shm_channel_consume(&consumer, refuse, NULL, &closed) == SHM_UNHANDLED); break;
          case 'C': refused = 0; printf("%d ", shm_channel_consume(&consumer, refuse, NULL, &closed) == SHM_CLOSED); break;
          case 't': shm_channel_consume(&consumer, fail, NULL, &closed); break;
          case 'd': shm_channel_drain(&consumer, visit, NULL, 0, NULL); break;
        }
      } catch (int) {
        printf("caught ");
      }
    }
    printf("\\n");
    shm_channel_close_consumer(&consumer);
    shm_channel_leave(&channel);
    return 0;
  }`,
  ...["-x", "c++", "-std=c++17", "-include", "cstdlib", "-Wl,--no-as-needed", "-lstdc++"],
);

/** What C is handed of 1, 2 and 3 when it goes about it so, and what is left for TypeScript then. */
async function consumed(channel: Channel, how: string): Promise<[string, number[]]> {
  await using program = consuming.start(channel.key, how);
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  using consumer = channel.consumer();
  const { depth } = channel.stats().lanes[0]!;
  const left = drained(consumer);
  assert.equal(depth, left.length, "the figures");
  return [stdout.trim(), left];
}

testWith(
  NEEDS,
  "shm_channel.h: the stream ends when the producer that was open first has gone without a message",
  async () => {
    using channel = scratchChannel();
    const producer = channel.producer();
    await using program = consuming.start(channel.key, "pC");
    await program.stdout(/42 /);
    producer.close();
    await program.write("\n");
    const { code, stdout } = await program.ended();
    assert.deepEqual([code, stdout.trim()], [0, "42 1"]);
  },
);

for (
  const [what, how, printed, left] of [
    ["close acknowledges nothing", "n", "1", [1, 2, 3]],
    ["close acknowledges nothing of a batch", "mm", "1 2", [1, 2, 3]],
    ["close acknowledges nothing that was copied", "r", "1", [1, 2, 3]],
    ["asking for the next acknowledges", "nn", "1 2", [2, 3]],
    ["asking for the next acknowledges what was copied", "rr", "1 2", [2, 3]],
    ["ack acknowledges all in hand", "mma", "1 2", [3]],
    ["nack puts all in hand back", "nmbbm", "1 2 1", [1, 2, 3]],
    ["nack puts nothing back that is acknowledged", "nabn", "1 2", [2, 3]],
    ["consume acknowledges what its handler is done with", "c", "1 2 1", [2, 3]],
    ["consume acknowledges what was in hand, as asking does", "nc", "1 2 1", [2, 3]],
    ["consume ends where the stream does", "C", "1 2 3 1", []],
    ["consume: an exception of C++ acknowledges nothing", "tnb", "1 2 caught 2", [2, 3]],
    ["drain: an exception of C++ acknowledges nothing", "dnb", "1 2 caught 1", [1, 2, 3]],
    ["discard drops what is in hand too", "nxn", "1 none", []],
  ] as const
) {
  testWith(NEEDS, `shm_channel.h: ${what}`, async () => {
    using channel = scratchChannel();
    {
      using producer = channel.producer();
      producer.sendBatch([1, 2, 3].map(byte));
    }
    assert.deepEqual(await consumed(channel, how), [printed, [...left]]);
  });
}

testWith(
  NEEDS,
  "Consumer.close: a message that TypeScript has not acknowledged goes to C",
  async () => {
    using channel = scratchChannel();
    using producer = channel.producer();
    producer.sendBatch([1, 2, 3].map(byte));
    {
      using consumer = channel.consumer();
      assert.equal(consumer.tryReceive()?.bytes[0], 1);
      consumer.ack();
      assert.equal((await consumer.receive()).bytes[0], 2);
    }
    assert.deepEqual(await consumed(channel, "nn"), ["2 3", [3]]);
  },
);

/** `KEY COUNT`: serves COUNT messages, the last of which it does not acknowledge. */
const serving = new CProgram(`
  #include "common.h"
  #include <stdlib.h>
  int main(int count, char **arguments) {
    struct ShmMailbox box;
    struct ShmMailboxOptions options = {(key_t)atoi(arguments[1]), 0600, false, false};
    char text[SHM_MAILBOX_TEXT_SIZE + 1];
    size_t length;
    pid_t sender;
    if (count != 3 || shm_mailbox_join(&box, &options, NULL) != SHM_MAILBOX_OK) return 1;
    if (shm_mailbox_acquire_server(&box) != SHM_MAILBOX_OK) return 1;
    for (int i = atoi(arguments[2]); i > 0; i--) {
      if (shm_mailbox_receive(&box, text, &length, &sender, NULL) != SHM_MAILBOX_OK) return 1;
      puts(text);
      fflush(stdout);
    }
    shm_mailbox_leave(&box);
    return 0;
  }`);

testWith(
  NEEDS,
  "common.h: receive acknowledges the one before, leave acknowledges nothing",
  async () => {
    const key = freshKey();
    using client = MailboxClient.open({ key });
    await using program = serving.start(key, 2);
    const first = client.send("first");
    assert.equal(await program.line(), "first");
    await first;
    const second = client.send("second");
    assert.equal(await program.line(), "second");
    assert.equal((await program.ended()).code, 0);
    {
      using server = MailboxServer.open({ key });
      assert.equal((await server.receive()).text, "second");
    }
    await using again = serving.start(key, 1);
    assert.equal(await again.line(), "second");
    assert.equal((await again.ended()).code, 0);
    using server = MailboxServer.open({ key });
    assert.equal((await server.receive()).text, "second");
    server.ack();
    await second;
  },
);
