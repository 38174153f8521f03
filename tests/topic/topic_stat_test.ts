/** `statTopic` and `listTopics`: facts about topics, seen from outside. */

import assert from "node:assert/strict";
import { i32, Segment, SemaphoreSet, struct, Topic } from "../../mod.ts";
import { messageType } from "../../src/layout/message_type.ts";
import { listTopics, statTopic } from "../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { byte, scratchTopic } from "./scratch_topic.ts";

guardAgainstLeaks();

Deno.test("statTopic: the lanes, their owners, and how much they have published", () => {
  using topic = scratchTopic({ lanes: 3, persistent: true });
  const { id, key } = topic;
  const [one, two] = [topic.publisher(), topic.publisher()];
  for (let i = 0; i < 100; i++) one.publish(byte(i));
  two.publishBatch([byte(1), byte(2)]);
  two.close();
  using watching = Topic.open(key, { readOnly: true });
  using subscriber = watching.subscriber();
  assert.equal(subscriber.tryReceive(), undefined);
  const { segment, setId, lanes, ...rest } = statTopic(id);
  assert.deepEqual(rest, {
    laneCapacity: 256,
    messageSize: 0,
    users: 1,
    persistent: true,
    typeHash: 0,
  });
  assert.deepEqual([segment.id, segment.key], [id, key]);
  assert.equal(SemaphoreSet.open(key).id, setId);
  const { pid } = Deno;
  assert.deepEqual(lanes, [
    { lane: 0, messages: 100, opened: 1, closed: 0, pid, alive: true },
    { lane: 1, messages: 2, opened: 1, closed: 1, pid, alive: false },
    { lane: 2, messages: 0, opened: 0, closed: 0, pid: undefined, alive: false },
  ]);
  topic.remove();
});

Deno.test("statTopic: the hash of the struct of a typed topic", () => {
  const Pair = struct({ a: i32, b: i32 });
  using topic = Topic.of(Pair, { key: freshKey(), lanes: 1, laneCapacity: 256 });
  const { typeHash, messageSize } = statTopic(topic.id);
  assert.deepEqual([typeHash, messageSize], [messageType(Pair).hash, 8]);
});

Deno.test("statTopic and listTopics: what is no topic is refused, or not listed", () => {
  using topic = scratchTopic();
  using other = Segment.create({ size: 4096 });
  other.remove();
  assert.throws(() => statTopic(other.id), { code: "EFORMAT" });
  const ids = listTopics().map(({ segment }) => segment.id);
  assert(ids.includes(topic.id) && !ids.includes(other.id));
});
