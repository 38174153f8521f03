/** A server that does not answer while its connections stay: a cut cable, or a machine that hangs. */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { bridgeIn, bridgeOut, type BridgeProgress } from "../../src/nats/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey, type TestFolder } from "../support/peer.ts";
import { natsClient, NatsServer, selfSigned, testWithNats } from "./nats_server.ts";

guardAgainstLeaks();

const encoder = new TextEncoder();

/** A safety net only. */
const SAFETY_MS = 60_000;

function withTls(folder: TestFolder): string {
  selfSigned(folder);
  return `tls { cert_file: "${folder.path}/cert.pem", key_file: "${folder.path}/key.pem" }`;
}

/** Options of the client by which a silent server is noticed after 0.3 s. */
function impatient({ url, folder }: NatsServer): Record<string, unknown> {
  const tls = { ca: Deno.readTextFileSync(`${folder.path}/cert.pem`) };
  return { servers: url, tls, pingInterval: 100, timeout: 2_000, reconnectTimeWait: 50 };
}

testWithNats(
  "bridgeOut, bridgeIn: tell that the server is silent, and go on when it answers, also with TLS",
  async () => {
    await using server = await NatsServer.start(withTls);
    using near = Channel.openOrCreate({ key: freshKey(), lanes: 1 });
    using far = Channel.openOrCreate({ key: freshKey(), lanes: 1 });
    using producer = near.producer();
    using consumer = near.consumer();
    using farProducer = far.producer();
    using farConsumer = far.consumer();
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(SAFETY_MS)]);
    const common = { server: impatient(server), stream: "S", signal };
    const told: string[][] = [[], []];
    const waiting = Promise.withResolvers<void>();
    const ended = [
      bridgeOut(consumer, { ...common, subject: "S.x", create: true, onProgress: tell(0) }),
    ];
    function tell(bridge: number): (progress: BridgeProgress) => void {
      return ({ waiting: why = "goes on" }) => {
        if (told[bridge]!.at(-1) !== why) told[bridge]!.push(why);
        if (told.every((lines) => lines.includes("the server is not connected"))) {
          waiting.resolve();
        }
      };
    }
    signal.addEventListener("abort", () => waiting.resolve());
    await producer.send(encoder.encode("1"));
    while (near.stats().lanes[0]!.depth > 0) await new Promise((go) => setTimeout(go, 10));
    ended.push(bridgeIn(farProducer, { ...common, durable: "d", onProgress: tell(1) }));
    assert.equal((await farConsumer.receive({ signal })).text, "1");

    server.freeze(true);
    await waiting.promise;
    server.freeze(false);
    assert.equal(signal.aborted, false, `${told}`);

    await producer.send(encoder.encode("2"));
    assert.equal((await farConsumer.receive({ signal })).text, "2");
    farConsumer.ack();
    stop.abort();
    await Promise.all(ended);
    const expected = ["goes on", "the server is not connected", "goes on"];
    assert.deepEqual(told, [expected, expected]);
  },
  { tools: ["openssl"] },
);

testWithNats("bridgeIn: ends at once while the server is silent", async () => {
  await using server = await NatsServer.start(withTls);
  using far = Channel.openOrCreate({ key: freshKey(), lanes: 1 });
  using producer = far.producer();
  using consumer = far.consumer();
  const stop = new AbortController();
  const { signal } = stop;
  const options = { server: impatient(server), stream: "S", durable: "d", signal };
  await server.with(async (connection) => {
    const { streams } = await natsClient().jetstreamManager(connection);
    await streams.add({ name: "S", subjects: ["S.x"] });
    connection.publish("S.x", "1");
    return connection.flush();
  }, impatient(server));
  const bridge = bridgeIn(producer, options);
  assert.equal((await consumer.receive()).text, "1");
  consumer.ack();
  server.freeze(true);
  stop.abort();
  const { messages } = await bridge;
  assert.equal(messages, 1);
}, { tools: ["openssl"] });
