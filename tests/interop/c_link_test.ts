/**
 * The headers of `c` in a program of two files: each includes all of them, in opposite orders, and uses what
 * the other one has opened.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const HEADERS = [
  "shm_sync.h",
  "common.h",
  "shm_channel.h",
  "shm_latest.h",
  "shm_topic.h",
] as const;

const LANGUAGES = {
  c: { compilers: ["gcc", "clang"], flags: ["-std=c11"] },
  cpp: { compilers: ["g++", "clang++"], flags: ["-std=c++17"] },
} as const;

const SHARED = `
struct Opened {
  struct ShmChannel channel;
  struct ShmLatest latest;
  struct ShmTopic topic;
  struct ShmMailbox mailbox;
};
int send_all(struct Opened *opened);
`;

/** Opens all, lets the other file send, and receives. Returns the number of the first step that fails. */
const RECEIVER = `${SHARED}
#define TRY(step, call) if ((call) != SHM_OK) return step

int main(int count, char **arguments) {
  static struct Opened opened;
  static struct ShmTopicSubscriber subscriber;
  if (count != 5) return 2;
  struct ShmChannelOptions channel = shm_channel_options((key_t)atoi(arguments[1]));
  struct ShmLatestOptions latest = shm_latest_options((key_t)atoi(arguments[2]));
  struct ShmTopicOptions topic = shm_topic_options((key_t)atoi(arguments[3]));
  struct ShmMailboxOptions mailbox = {(key_t)atoi(arguments[4]), 0600, false, false};
  struct ShmChannelConsumer consumer;
  struct ShmLatestReader reader;
  struct ShmChannelMessage message;
  struct ShmTopicMessage published;
  struct ShmLatestValue value;
  char bytes[8];
  latest.size = sizeof bytes;
  TRY(1, shm_channel_open_or_create(&opened.channel, &channel, NULL));
  TRY(2, shm_latest_open_or_create(&opened.latest, &latest, NULL));
  TRY(3, shm_topic_open_or_create(&opened.topic, &topic, NULL));
  if (shm_mailbox_join(&opened.mailbox, &mailbox, NULL) != SHM_MAILBOX_OK) return 4;
  TRY(5, shm_topic_open_subscriber(&subscriber, &opened.topic, 0));
  const int sent = send_all(&opened);
  if (sent != 0) return sent;
  TRY(6, shm_channel_open_consumer(&consumer, &opened.channel));
  TRY(7, shm_channel_receive(&consumer, bytes, sizeof bytes, &message, NULL));
  if (memcmp(bytes, "channel", 7) != 0) return 8;
  shm_channel_ack(&consumer);
  TRY(9, shm_latest_open_reader(&reader, &opened.latest));
  TRY(10, shm_latest_read(&reader, bytes, sizeof bytes, &value));
  if (memcmp(bytes, "latest", 6) != 0) return 11;
  TRY(12, shm_topic_receive(&subscriber, &published, NULL));
  if (memcmp(published.bytes, "topic", 5) != 0) return 13;
  shm_channel_close_consumer(&consumer);
  shm_latest_close_reader(&reader);
  shm_topic_close_subscriber(&subscriber);
  shm_channel_leave(&opened.channel);
  shm_latest_leave(&opened.latest);
  shm_topic_leave(&opened.topic);
  shm_mailbox_leave(&opened.mailbox);
  return 0;
}
`;

const SENDER = `${SHARED}
#define TRY(step, call) if ((call) != SHM_OK) return step

int send_all(struct Opened *opened) {
  struct ShmChannelProducer producer;
  struct ShmLatestWriter writer;
  struct ShmTopicPublisher publisher;
  TRY(21, shm_channel_open_producer(&producer, &opened->channel));
  TRY(22, shm_channel_send(&producer, "channel", 7, 0, NULL));
  TRY(23, shm_latest_open_writer(&writer, &opened->latest));
  TRY(24, shm_latest_write(&writer, "latest", 6));
  TRY(25, shm_topic_open_publisher(&publisher, &opened->topic));
  TRY(26, shm_topic_publish(&publisher, "topic", 5, 0));
  shm_channel_close_producer(&producer);
  shm_latest_close_writer(&writer);
  shm_topic_close_publisher(&publisher);
  return 0;
}
`;

for (const [extension, { compilers, flags }] of Object.entries(LANGUAGES)) {
  for (const compiler of compilers) {
    testWith(
      { tools: [compiler], files: true },
      `c/*.h: two files with all headers, in both orders, link into one program (${compiler})`,
      async () => {
        using folder = new TestFolder();
        const file = (name: string, headers: readonly string[], text: string): string =>
          folder.file(
            `${name}.${extension}`,
            headers.map((header) => `#include "${header}"\n`).join("") + text,
          );
        const program = `${folder.path}/program`;
        const { success, stderr } = new Deno.Command(compiler, {
          args: [
            ...["-Wall", "-Wextra", "-Werror", "-pedantic", ...flags, `-I${PROJECT}c`],
            ...["-o", program],
            file("receiver", HEADERS, RECEIVER),
            file("sender", HEADERS.toReversed(), SENDER),
          ],
          env: { LC_ALL: "C" },
        }).outputSync();
        assert(success, new TextDecoder().decode(stderr));
        const keys = Array.from({ length: 4 }, () => String(freshKey()));
        await using peer = Peer.start(program, keys);
        const { code, stderr: said } = await peer.ended();
        assert.deepEqual([code, said], [0, ""]);
      },
    );
  }
}
