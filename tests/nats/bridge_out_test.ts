/** From a channel to a stream: each message once, in order per lane, or still in the channel. */

import assert from "node:assert/strict";
import { Channel, type Producer } from "../../mod.ts";
import { messageNumbers } from "../../src/channel/consumer.ts";
import { BridgeError, bridgeOut, type BridgeProgress } from "../../src/nats/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { natsClient, NatsServer, selfSigned, testWithNats, until } from "./nats_server.ts";

guardAgainstLeaks();

const encoder = new TextEncoder();

function scratch(): Channel {
  return Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1 << 16 });
}

function depth(channel: Channel): number {
  return channel.stats().lanes.reduce((sum, lane) => sum + lane.depth, 0);
}

function send(producer: Producer, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    assert(producer.trySend(encoder.encode(`${producer.lane}:${n}`), { tag: n }));
  }
}

/** `0:0`, `0:1` and so on. */
function texts(lane: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${lane}:${n}`);
}

async function failure(promise: Promise<unknown>): Promise<BridgeError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof BridgeError, `${error}`);
  return error;
}

testWithNats("bridgeOut: each message once, in order per lane, with lane and tag", async () => {
  await using server = await NatsServer.start();
  using channel = scratch();
  using one = channel.producer();
  using two = channel.producer();
  using consumer = channel.consumer();
  send(one, 0, 300);
  send(two, 0, 200);
  const options = { server: server.url, stream: "S", subject: "s.x", create: true };
  const { messages, bytes, duplicates } = await bridgeOut(consumer, {
    ...options,
    ...until(500),
    maxInFlight: 64,
  });
  assert.deepEqual([messages, duplicates, depth(channel)], [500, 0, 0]);
  const stored = await server.stored("S");
  assert.equal(bytes, stored.reduce((sum, { text }) => sum + text.length, 0));
  for (const { lane, count } of [{ lane: 0, count: 300 }, { lane: 1, count: 200 }]) {
    const those = stored.filter((message) => message.lane === lane);
    assert.deepEqual(those.map(({ text }) => text), texts(lane, count));
    assert.deepEqual(those.map(({ tag }) => tag), those.map((_, n) => n));
  }
  const { identity } = messageNumbers(consumer);
  assert.equal(stored.find(({ text }) => text === "1:199")?.id, `${identity}.1.200`);
});

testWithNats(
  "bridgeOut: what a bridge had published before it died is not stored twice",
  async () => {
    await using server = await NatsServer.start();
    await server.addStream("S");
    using channel = scratch();
    using producer = channel.producer();
    send(producer, 0, 20);
    {
      // As far as a bridge comes that is killed before the stream's answers
      using consumer = channel.consumer();
      const { identity } = messageNumbers(consumer);
      await server.with(async (connection) => {
        for (let n = 0; n < 15; n++) {
          const headers = natsClient().headers();
          headers.set("Nats-Msg-Id", `${identity}.0.${n + 1}`);
          connection.publish("S.x", `0:${n}`, { headers });
        }
        await connection.flush();
      });
    }
    using consumer = channel.consumer();
    const { duplicates } = await bridgeOut(consumer, {
      server: server.url,
      stream: "S",
      subject: "S.x",
      ...until(20),
    });
    assert.equal(duplicates, 15);
    assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 20));
  },
);

testWithNats("bridgeOut: answers of others to its messages change nothing", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  await server.with(async (connection) => {
    connection.subscribe("S.x", {
      callback: (_error, { reply = "" }) => {
        const other = reply.replace(/[0-9]+$/, "9");
        for (const to of [reply, other, other.replace(/[0-9]+$/, "x")]) {
          for (const answer of ["", "{", "null", "7", `{"error":null}`]) {
            connection.publish(to, answer);
          }
        }
      },
    });
    await connection.flush();
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    for (let n = 0; n < 30; n++) {
      send(producer, n, n + 1);
      const options = { server: server.url, stream: "S", subject: "S.x" };
      const { messages, duplicates } = await bridgeOut(consumer, { ...options, ...until(1) });
      assert.deepEqual([messages, duplicates], [1, 0]);
    }
  });
  assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 30));
});

testWithNats("bridgeOut: goes on when the server is back, with nothing lost or twice", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const waits: string[] = [];
  const { signal, onProgress } = until(600);
  const { promise: waited, resolve } = Promise.withResolvers<void>();
  send(producer, 0, 200);
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const bridge = bridgeOut(consumer, {
    server: { servers: server.url, reconnectTimeWait: 50 },
    stream: "S",
    subject: "S.x",
    maxInFlight: 32,
    signal,
    onProgress: (progress: BridgeProgress) => {
      begin();
      if (progress.waiting !== undefined) {
        waits.push(progress.waiting);
        resolve();
      }
      onProgress(progress);
    },
  });
  await begun;
  await server.stop("SIGKILL");
  send(producer, 200, 600);
  await waited;
  await server.start();
  assert.equal((await bridge).messages, 600);
  assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 600));
});

testWithNats(
  "bridgeOut: a message larger than the server takes stays, those before it pass",
  async () => {
    await using server = await NatsServer.start(() => "max_payload: 4096");
    await server.addStream("S");
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    send(producer, 0, 5);
    producer.trySend(new Uint8Array(4097 - 128), { tag: 9 });
    send(producer, 5, 6);
    const options = { server: server.url, stream: "S", subject: "S.x" };
    const { code, message } = await failure(bridgeOut(consumer, options));
    assert.equal(code, "EMSGSIZE");
    assert.match(message, /message 6 of lane 0 \(tag 9\) has 3969 bytes, .* at most 3968 /);
    assert.equal(depth(channel), 2);
    assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 5));
    assert.equal(consumer.tryReceive()?.bytes.length, 3969);
    consumer.ack();
    const rest = await bridgeOut(consumer, { ...options, ...until(1) });
    assert.equal(rest.messages, 1);
  },
);

testWithNats("bridgeOut: waits while the stream is full", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S", { discard: "new", max_msgs: 10 });
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  send(producer, 0, 25);
  const stop = new AbortController();
  const { promise: full, resolve } = Promise.withResolvers<string>();
  const bridge = bridgeOut(consumer, {
    server: server.url,
    stream: "S",
    subject: "S.x",
    signal: stop.signal,
    onProgress: ({ waiting, messages }) => {
      if (waiting !== undefined) resolve(waiting);
      if (messages === 25) stop.abort();
    },
  });
  assert.match(await full, /maximum messages exceeded/);
  const first = await server.stored("S");
  assert.deepEqual(first.map(({ text }) => text), texts(0, 10));
  await server.with(async (connection) => {
    const { streams } = await natsClient().jetstreamManager(connection) as unknown as {
      streams: { update(name: string, config: object): Promise<unknown> };
    };
    await streams.update("S", { discard: "new", max_msgs: 100, subjects: ["S.>"] });
  });
  await bridge;
  assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 25));
});

testWithNats("bridgeOut: says which stream or server is missing", async () => {
  await using server = await NatsServer.start();
  await server.addStream("OTHER");
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  send(producer, 0, 1);
  const options = { server: server.url, stream: "S", subject: "S.x" };
  const missing = await failure(bridgeOut(consumer, options));
  assert.deepEqual([missing.code, /stream not found/.test(missing.message)], ["ESTREAM", true]);
  await server.addStream("S");
  const other = await failure(bridgeOut(consumer, { ...options, subject: "OTHER.x" }));
  assert.deepEqual([other.code, /is of stream OTHER/.test(other.message)], ["EREFUSED", true]);
  await server.stop();
  const gone = await failure(bridgeOut(consumer, options));
  assert.equal(gone.code, "ECONNECT");
  assert(gone.message.includes(server.url), gone.message);
  assert.equal(depth(channel), 1);
  consumer.drain(() => {});
});

testWithNats("bridgeOut: a password and a permission that is missing", async () => {
  await using server = await NatsServer.start(() =>
    `authorization { users = [
      { user: all, password: "secret" }
      { user: some, password: "secret", permissions { publish { deny: "S.x" } } }
    ] }`
  );
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  send(producer, 0, 3);
  const options = { stream: "S", subject: "S.x", create: true };
  const as = (user: string, pass: string): object => ({
    ...options,
    server: { servers: server.url, user, pass },
  });
  // The server resets about every other connection of these, which the client does not expect
  const wrong = Array.from(
    { length: 20 },
    () => failure(bridgeOut(consumer, { ...options, ...as("all", "x") })),
  );
  assert.deepEqual(
    new Set((await Promise.all(wrong)).map(({ code }) => code)),
    new Set(["ECONNECT"]),
  );
  const refused = await failure(bridgeOut(consumer, { ...options, ...as("some", "secret") }));
  assert.equal(refused.code, "EREFUSED");
  assert.match(refused.message, /Permissions Violation for Publish to "S.x"/i);
  assert.equal(depth(channel), 3);
  await bridgeOut(consumer, { ...options, ...as("all", "secret"), ...until(3) });
});

testWithNats("bridgeOut: leaves a connection that it was given open", async () => {
  await using server = await NatsServer.start();
  await server.addStream("S");
  using channel = scratch();
  using producer = channel.producer();
  using consumer = channel.consumer();
  await server.with(async (connection) => {
    for (let round = 0; round < 2; round++) {
      send(producer, round, round + 1);
      await bridgeOut(consumer, { connection, stream: "S", subject: "S.x", ...until(1) });
      assert(!connection.isClosed());
    }
  });
  assert.deepEqual((await server.stored("S")).map(({ text }) => text), texts(0, 2));
});

testWithNats(
  "bridgeOut: TLS by the client's own options",
  async () => {
    await using server = await NatsServer.start((folder) => {
      selfSigned(folder);
      return `tls { cert_file: "${folder.path}/cert.pem", key_file: "${folder.path}/key.pem" }`;
    });
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    send(producer, 0, 3);
    const tls = { ca: Deno.readTextFileSync(`${server.folder.path}/cert.pem`) };
    const options = { stream: "S", subject: "S.x", create: true };
    const without = await failure(bridgeOut(consumer, { ...options, server: server.url }));
    assert.equal(without.code, "ECONNECT");
    await bridgeOut(consumer, {
      ...options,
      server: { servers: server.url, tls },
      ...until(3),
    });
  },
  { tools: ["openssl"] },
);
