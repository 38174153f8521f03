/** What everything of a channel does once it is closed, while another peer has it open still. */

import assert from "node:assert/strict";
import { Channel, i32, struct } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { byte, drained } from "./scratch_channel.ts";

guardAgainstLeaks();

const Count = struct({ n: i32 });

/** The names of all methods and accessors of an object's class. */
function membersOf(object: object): string[] {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(object)).sort();
}

/** One member of each class, used. */
type Uses<Subject> = Readonly<Record<string, (subject: Subject) => unknown>>;

/** Checks that each of `failing` says `EDETACHED`, that each of `working` does not, and none is left out. */
async function check<Subject extends object>(
  subject: Subject,
  failing: Uses<Subject>,
  working: Uses<Subject>,
): Promise<void> {
  const what = subject.constructor.name;
  assert.deepEqual(
    [...Object.keys(failing), ...Object.keys(working), "constructor"].sort(),
    membersOf(subject),
    what,
  );
  for (const [name, use] of Object.entries(failing)) {
    const used = async (): Promise<unknown> => await use(subject);
    await assert.rejects(used, { code: "EDETACHED" }, `${what}.${name}`);
  }
  for (const use of Object.values(working)) await use(subject);
}

Deno.test("Channel and Producer and Consumer: every member after close fails or works, and changes nothing of another peer", async () => {
  const key = freshKey();
  using other = Channel.of(Count, { key, lanes: 3, laneCapacity: 256 });
  using sender = other.producer();
  sender.trySend({ n: 7 });
  const channel = Channel.open(key);
  const producer = channel.producer();
  const consumer = channel.consumer();
  channel.close();
  const bytes = new Uint8Array(4);
  await check(channel, {
    producer: (channel) => channel.producer(),
    consumer: (channel) => channel.consumer(),
    stats: (channel) => channel.stats(),
    consumerPid: (channel) => channel.consumerPid,
  }, {
    key: (channel) => assert.equal(channel.key, key),
    id: (channel) => assert.equal(channel.id, other.id),
    lanes: (channel) => assert.equal(channel.lanes, 3),
    laneCapacity: (channel) => assert.equal(channel.laneCapacity, 256),
    messageSize: (channel) => assert.equal(channel.messageSize, 4),
    maxMessage: (channel) => assert.equal(channel.maxMessage, 120),
    created: (channel) => assert.equal(channel.created, false),
    othersMayWrite: (channel) => assert.equal(channel.othersMayWrite, false),
    isOpen: (channel) => assert.equal(channel.isOpen, false),
    close: (channel) => assert.equal(channel.close(), "in use"),
    // Tried last of all, below
    remove: () => {},
  });
  await check(producer, {
    trySend: (producer) => producer.trySend(bytes),
    stage: (producer) => producer.stage(bytes),
    publish: (producer) => producer.publish(),
    sendBatch: (producer) => producer.sendBatch([bytes]),
    sendSync: (producer) => producer.sendSync(bytes),
    send: (producer) => producer.send(bytes),
    claim: (producer) => producer.claim(4),
    scratch: (producer) => producer.scratch(4),
    writable: (producer) => producer.writable,
  }, {
    lane: (producer) => assert.equal(producer.lane, 1),
    isOpen: (producer) => assert.equal(producer.isOpen, false),
    close: (producer) => producer.close(),
  });
  await check(consumer, {
    tryReceive: (consumer) => consumer.tryReceive(),
    receive: (consumer) => consumer.receive(),
    receiveSync: (consumer) => consumer.receiveSync(),
    ready: (consumer) => consumer.ready(),
    readySync: (consumer) => consumer.readySync(),
    drain: (consumer) => consumer.drain(() => assert.fail("it was handed out")),
    drainText: (consumer) => consumer.drainText(() => assert.fail("it was handed out")),
    messages: (consumer) => consumer.messages().next(),
    consume: (consumer) => consumer.consume(() => assert.fail("it was handed out")),
    ack: (consumer) => consumer.ack(),
    nack: (consumer) => consumer.nack(),
    discard: (consumer) => consumer.discard(0),
    deadProducers: (consumer) => consumer.deadProducers,
    readable: (consumer) => consumer.readable,
  }, {
    isOpen: (consumer) => assert.equal(consumer.isOpen, false),
    close: (consumer) => consumer.close(),
  });
  assert.deepEqual(other.stats().lanes.map(({ alive }) => alive), [true, false, false]);
  assert.equal(other.consumerPid, undefined, "a role was taken");
  using next = other.consumer();
  assert.equal(next.tryReceive()?.value.n, 7, "what was there was received");
  next.ack();
  channel.remove();
  assert.throws(() => Channel.open(key), { code: "ENOENT" });
});

Deno.test("Channel.close: a producer that came after another one was closed is closed too", () => {
  using other = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 256 });
  const channel = Channel.open(other.key);
  channel.producer().close();
  const [one, two] = [channel.producer(), channel.producer()];
  one.stage(byte(1));
  channel.close();
  assert.deepEqual([one.isOpen, two.isOpen], [false, false]);
  assert.deepEqual(other.stats().lanes.map(({ alive }) => alive), [false, false]);
  using consumer = other.consumer();
  assert.deepEqual(drained(consumer), [1]);
});
