/** From a stream to a channel: every message, in order, however often the bridge or its server ended. */

import assert from "node:assert/strict";
import { Channel, type Consumer } from "../../mod.ts";
import { BridgeError, bridgeIn } from "../../src/nats/mod.ts";
import type { NatsConnection } from "../../src/nats/nats_client.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { natsClient, NatsServer, testWithNats, until } from "./nats_server.ts";

guardAgainstLeaks();

/** A safety net only: the durable consumers of these tests deliver again after this. */
const ACK_WAIT_MS = 300;

function scratch(laneCapacity = 1 << 16): Channel {
  return Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity });
}

/** Publishes the numbers from `from` to below `to` as text, with themselves as tags. */
async function publish(server: NatsServer, from: number, to: number): Promise<void> {
  await server.with(async (connection) => {
    for (let n = from; n < to; n++) {
      const headers = natsClient().headers();
      headers.set("Shm-Tag", String(n));
      connection.publish("S.x", String(n), { headers });
    }
    await connection.flush();
  });
}

async function addDurable(server: NatsServer, config: object = {}): Promise<void> {
  await server.with(async (connection) => {
    const { consumers } = await natsClient().jetstreamManager(connection);
    await consumers.add("S", {
      durable_name: "d",
      ack_policy: "explicit",
      ack_wait: ACK_WAIT_MS * 1e6,
      ...config,
    });
  });
}

/** Takes messages as a bridge does that dies before it acknowledges them. */
async function takeAway(connection: NatsConnection, count: number): Promise<void> {
  const inbox = natsClient().createInbox();
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  connection.subscribe(inbox, {
    callback: () => {
      if (--left === 0) resolve();
    },
  });
  const request = JSON.stringify({ batch: count, expires: 5e9 });
  connection.publish("$JS.API.CONSUMER.MSG.NEXT.S.d", request, { reply: inbox });
  await promise;
}

async function pending(server: NatsServer): Promise<number> {
  return await server.with(async (connection) => {
    const { consumers } = await natsClient().jetstreamManager(connection);
    return (await consumers.info("S", "d")).num_ack_pending;
  });
}

function received(consumer: Consumer): [text: string, tag: number][] {
  const found: [string, number][] = [];
  for (let one = consumer.tryReceive(); one !== undefined; one = consumer.tryReceive()) {
    found.push([one.text, one.tag]);
  }
  return found;
}

function numbers(from: number, to: number): [string, number][] {
  return Array.from({ length: to - from }, (_, n) => [String(from + n), from + n]);
}

async function failure(promise: Promise<unknown>): Promise<BridgeError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof BridgeError, `${error}`);
  return error;
}

/** A server whose stream S has so many messages, and a durable consumer d. */
async function filledServer(count: number): Promise<NatsServer> {
  const server = await NatsServer.start();
  await server.addStream("S");
  await addDurable(server);
  await publish(server, 0, count);
  return server;
}

testWithNats("bridgeIn: every message in order with its tag; the next bridge goes on", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const options = { server: server.url, stream: "S", durable: "d", maxInFlight: 50 };
  await publish(server, 0, 300);
  const { messages, bytes } = await bridgeIn(producer, { ...options, ...until(300) });
  assert.deepEqual([messages, bytes], [300, 10 + 90 * 2 + 200 * 3]);
  assert.deepEqual(received(consumer), numbers(0, 300));
  assert.equal(await pending(server), 0);
  await publish(server, 300, 310);
  await server.with((connection) => {
    connection.publish("S.y", "no headers");
    return connection.flush();
  });
  await bridgeIn(producer, { ...options, ...until(11) });
  assert.deepEqual(received(consumer), [...numbers(300, 310), ["no headers", 0]]);
});

testWithNats("bridgeIn: what a bridge took before it died comes first", async () => {
  await using server = await filledServer(100);
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  await server.with((connection) => takeAway(connection, 40));
  assert.equal(await pending(server), 40);
  await bridgeIn(producer, { server: server.url, stream: "S", durable: "d", ...until(100) });
  assert.deepEqual(received(consumer), numbers(0, 100));
});

testWithNats(
  "bridgeIn: what was taken before and is gone from the stream is not waited for",
  async () => {
    await using server = await filledServer(20);
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    await server.with(async (connection) => {
      await takeAway(connection, 10);
      const { streams } = await natsClient().jetstreamManager(connection) as unknown as {
        streams: { deleteMessage(stream: string, sequence: number): Promise<boolean> };
      };
      await streams.deleteMessage("S", 4);
    });
    await bridgeIn(producer, { server: server.url, stream: "S", durable: "d", ...until(19) });
    assert.deepEqual(received(consumer), [...numbers(0, 3), ...numbers(4, 20)]);
  },
);

testWithNats(
  "bridgeIn: another reader of the same durable consumer is an error, and loses nothing",
  async () => {
    await using server = await NatsServer.start();
    await server.addStream("S");
    await addDurable(server, { ack_wait: 50e6 });
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    await server.with(async (connection) => {
      const inbox = natsClient().createInbox();
      const pull = (): void =>
        connection.publish(
          "$JS.API.CONSUMER.MSG.NEXT.S.d",
          JSON.stringify({ batch: 1, expires: 60e9 }),
          { reply: inbox },
        );
      // Takes every other message, and never acknowledges one
      connection.subscribe(inbox, { callback: pull });
      pull();
      const ended = failure(
        bridgeIn(producer, { server: server.url, stream: "S", durable: "d", maxInFlight: 1 }),
      );
      let isOver = false;
      ended.finally(() => isOver = true);
      for (let n = 0; !isOver; n++) {
        connection.publish("S.x", String(n));
        await connection.flush();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const { code, message } = await ended;
      assert.equal(code, "ESTREAM");
      assert.match(message, /another process reads from the same durable consumer/);
    });
    received(consumer);
  },
);

testWithNats("bridgeIn: a full channel keeps the rest in the stream", async () => {
  await using server = await filledServer(1000);
  using channel = scratch(1024);
  using producer = channel.producer();
  using consumer = channel.consumer();
  const { signal, onProgress } = until(1000);
  const told = new Set<string | undefined>();
  const bridge = bridgeIn(producer, {
    server: server.url,
    stream: "S",
    durable: "d",
    maxInFlight: 100,
    signal,
    onProgress: (progress) => {
      told.add(progress.waiting);
      onProgress(progress);
    },
  });
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  while (channel.stats().lanes[0]!.depth < 64) await pause(1);
  // Longer than the server waits for acknowledgements: it delivers some messages again
  await pause(3 * ACK_WAIT_MS);
  while (told.size < 2) await pause(10);
  const found: [string, number][] = [];
  while (found.length < 1000) {
    const { text, tag } = await consumer.receive();
    found.push([text, tag]);
  }
  consumer.ack();
  const { messages } = await bridge;
  assert.deepEqual(found, numbers(0, 1000));
  assert.equal(messages, 1000);
  assert.deepEqual([...told], [undefined, "the channel is full"]);
});

testWithNats(
  "bridgeIn: ends when its durable consumer is deleted while the channel is full",
  async () => {
    await using server = await filledServer(200);
    using channel = scratch(1024);
    using producer = channel.producer();
    using consumer = channel.consumer();
    const bridge = failure(
      bridgeIn(producer, { server: server.url, stream: "S", durable: "d", maxInFlight: 100 }),
    );
    while (channel.stats().lanes[0]!.depth < 10) await new Promise((go) => setTimeout(go, 1));
    await server.with(async (connection) => {
      const { consumers } = await natsClient().jetstreamManager(connection);
      await (consumers as unknown as { delete(stream: string, name: string): Promise<unknown> })
        .delete("S", "d");
    });
    const stop = new AbortController();
    const draining = consumer.consume(() => {}, { signal: stop.signal }).catch(() => {});
    const { code, message } = await bridge;
    assert.equal(code, "ESTREAM");
    assert.match(message, /durable consumer d was deleted/);
    stop.abort();
    await draining;
  },
);

testWithNats("bridgeIn: goes on when the server is back", async () => {
  await using server = await filledServer(100);
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const { signal, onProgress } = until(200);
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const bridge = bridgeIn(producer, {
    server: { servers: server.url, reconnectTimeWait: 50 },
    stream: "S",
    durable: "d",
    maxInFlight: 30,
    signal,
    onProgress: (progress) => {
      resolve();
      onProgress(progress);
    },
  });
  await first;
  await server.stop("SIGKILL");
  await server.start();
  await publish(server, 100, 200);
  await bridge;
  // A server that is killed may have lost acknowledgements: what they were for may come again
  assert.deepEqual([...new Map(received(consumer))], numbers(0, 200));
});

testWithNats(
  "bridgeIn: ends when it reconnects to another stream of the same name, and takes none of its messages",
  async () => {
    await using server = await NatsServer.start();
    await using other = await NatsServer.start();
    const fill = async (each: NatsServer): Promise<void> => {
      await each.addStream("S");
      await addDurable(each);
      await publish(each, 0, 10);
    };
    await fill(server);
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    const stop = new AbortController();
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const bridge = failure(bridgeIn(producer, {
      server: { servers: [server.url, other.url], noRandomize: true, reconnectTimeWait: 50 },
      stream: "S",
      durable: "d",
      signal: stop.signal,
      onProgress: ({ messages, duplicates }) => {
        if (messages === 10) resolve();
        if (duplicates > 0) stop.abort();
      },
    }));
    await first;
    // They are told apart by the time when they were created, with a tolerance of 1 s
    await new Promise((go) => setTimeout(go, 1_100));
    await fill(other);
    await server.stop("SIGKILL");
    const { code, message } = await bridge;
    assert.equal(code, "ESTREAM");
    assert.match(message, /durable consumer d was deleted, or is another one of the same name$/);
    assert.deepEqual(received(consumer), numbers(0, 10));
    await bridgeIn(producer, { server: other.url, stream: "S", durable: "d", ...until(10) });
    assert.deepEqual(received(consumer), numbers(0, 10));
  },
);

testWithNats("bridgeIn: a connection that is closed while the channel is full", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  using channel = scratch(256);
  using producer = channel.producer();
  using consumer = channel.consumer();
  await publish(server, 0, 100);
  const connection = await natsClient().connect({ servers: server.url });
  const { promise: isFull, resolve } = Promise.withResolvers<void>();
  const onProgress = (): void => resolve();
  const bridge = failure(bridgeIn(producer, { connection, stream: "S", durable: "d", onProgress }));
  await isFull;
  await connection.close();
  received(consumer);
  const { code, message } = await bridge;
  assert.deepEqual([code, message], [
    "ECONNECT",
    "cannot go on: ECONNECT, the connection was closed",
  ]);
  // What it sent then is not acknowledged, and comes again from the stream
  received(consumer);
});

testWithNats("bridgeIn: a message that the channel does not take stays in the stream", async () => {
  await using server = await filledServer(3);
  using channel = scratch(256);
  using producer = channel.producer();
  using consumer = channel.consumer();
  await server.with(async (connection) => {
    connection.publish("S.x", "x".repeat(121));
    await connection.flush();
  });
  const { code, message } = await failure(
    bridgeIn(producer, { server: server.url, stream: "S", durable: "d" }),
  );
  assert.equal(code, "EMSGSIZE");
  assert.match(message, /message 4 of the stream stays there: a message of 121 bytes is too large/);
  assert.deepEqual(received(consumer), numbers(0, 3));
  assert.equal(await pending(server), 1);
});

testWithNats(
  "bridgeIn: refuses durable consumers that could lose messages, and missing streams",
  async () => {
    await using server = await NatsServer.start();
    using channel = scratch();
    using producer = channel.producer();
    const options = { server: server.url, stream: "S", durable: "d" };
    const why = async (more = {}): Promise<string> => {
      const { code, message } = await failure(bridgeIn(producer, { ...options, ...more }));
      assert.equal(code, "ESTREAM");
      return message;
    };
    assert.match(await why(), /stream not found/);
    await server.addStream("S");
    const refused = [
      [{ ack_policy: "none" }, /its ack_policy is none/],
      [{ max_ack_pending: -1 }, /its max_ack_pending is unlimited/],
      [{ max_deliver: 5 }, /its max_deliver is 5: it would give messages up/],
      [{ deliver_subject: "there" }, /it pushes messages/],
      [{ filter_subject: "S.y" }, /it delivers S.y, and S.x is wanted/],
    ] as const;
    for (const [i, [config, reason]] of refused.entries()) {
      const durable = `d${i}`;
      await addDurable(server, { durable_name: durable, ...config });
      assert.match(await why({ durable, subject: "S.x" }), reason);
    }
  },
);
