/** From a topic to a stream and back: in order, and what was overwritten too early is counted. */

import assert from "node:assert/strict";
import { Topic } from "../../mod.ts";
import { bridgeIn, bridgeOut } from "../../src/nats/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { NatsServer, testWithNats, until } from "./nats_server.ts";

guardAgainstLeaks();

const encoder = new TextEncoder();

testWithNats(
  "bridgeOut: of a topic, what comes while it runs; what was overwritten is counted",
  async () => {
    await using server = await NatsServer.start();
    await server.addStream("S");
    using topic = Topic.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1024 });
    using publisher = topic.publisher();
    using subscriber = topic.subscriber();
    for (let n = 0; n < 500; n++) publisher.publish(encoder.encode(String(n)), { tag: n });
    const stop = new AbortController();
    const { messages, missed, duplicates } = await bridgeOut(subscriber, {
      server: server.url,
      stream: "S",
      subject: "S.x",
      signal: stop.signal,
      onProgress: ({ messages, missed }) => {
        if (messages + missed === 500) stop.abort();
      },
    });
    assert.deepEqual([messages + missed, duplicates], [500, 0]);
    assert(messages > 10 && missed > 10);
    const stored = await server.stored("S");
    const last = Array.from({ length: messages }, (_, n) => String(missed + n));
    assert.deepEqual(stored.map(({ text }) => text), last);
    assert.deepEqual(stored.map(({ tag }) => String(tag)), last);
  },
);

testWithNats("bridgeIn: to a topic, for all its subscribers", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  using topic = Topic.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1 << 14 });
  using publisher = topic.publisher();
  using one = topic.subscriber();
  using two = topic.subscriber();
  await server.with(async (connection) => {
    for (let n = 0; n < 100; n++) connection.publish("S.x", String(n));
    await connection.flush();
  });
  await bridgeIn(publisher, { server: server.url, stream: "S", durable: "d", ...until(100) });
  for (const subscriber of [one, two]) {
    const texts: string[] = [];
    for (let next = subscriber.tryReceive(); next; next = subscriber.tryReceive()) {
      texts.push(next.text);
    }
    assert.deepEqual(texts, Array.from({ length: 100 }, (_, n) => String(n)));
  }
});
