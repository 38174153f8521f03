/**
 * What leaves shared memory: a bridge to NATS JetStream, beside the bare client of NATS, and a recording.
 *
 * `bridge.ts KEY COUNT FOLDER` prints messages a second for COUNT messages of 64 bytes, all distinct. The server
 * runs on the loopback, and stores each message in a file below FOLDER before it acknowledges it.
 */

import { Channel, type Consumer } from "../../mod.ts";
import { record, replay } from "../../src/mcap/mod.ts";
import { bridgeIn, bridgeOut } from "../../src/nats/mod.ts";
import { loadNatsClient, type NatsConnection } from "../../src/nats/nats_client.ts";

const BYTES = 64;
/** Messages that wait for their acknowledgement at a time, of the client too. */
const IN_FLIGHT = 1024;
const CAPACITY = 1 << 25;
const SUBJECT = "S.x";

const [key, count] = Deno.args.map(Number) as [number, number];
const folder = Deno.makeTempDirSync({ dir: Deno.args[2]! });
const figures: Record<string, number> = {};
const notRun: Record<string, string> = {};

function message(n: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BYTES);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

async function timed(what: string, action: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await action();
  figures[what] = count / (performance.now() - begin) * 1e3;
}

/** A signal that aborts when all messages were passed on, and the options with both. */
function untilAll(): Pick<Parameters<typeof bridgeOut>[1], "signal" | "onProgress"> {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onProgress: ({ messages }) => {
      if (messages >= count) stop.abort();
    },
  };
}

/** A channel with room for all. */
function roomy(offset: number): Channel {
  return Channel.openOrCreate({ key: key + offset, lanes: 1, laneCapacity: CAPACITY });
}

function fill(channel: Channel): void {
  using producer = channel.producer();
  for (let n = 0; n < count; n++) producer.sendSync(message(n));
}

function checkAll(consumer: Consumer): void {
  let sum = 0;
  consumer.drain(() => void sum++);
  if (sum !== count) throw new Error(`${sum} of ${count} messages arrived`);
}

/** JetStream of the client, as far as this needs it. */
interface Publishing {
  jetstream(connection: NatsConnection): {
    publish(
      subject: string,
      data: Uint8Array,
      options: { msgID: string; timeout: number },
    ): Promise<unknown>;
  };
}

async function publishAll(connection: NatsConnection, client: Publishing): Promise<void> {
  const stream = client.jetstream(connection);
  for (let n = 0; n < count; n += IN_FLIGHT) {
    const size = Math.min(IN_FLIGHT, count - n);
    await Promise.all(
      Array.from({ length: size }, (_, i) =>
        stream.publish("BARE.x", message(n + i), {
          msgID: `${n + i}`,
          timeout: 60_000,
        })),
    );
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function throughNats(): Promise<void> {
  const client = await loadNatsClient();
  const port = freePort();
  const server = new Deno.Command("nats-server", {
    args: ["-a", "127.0.0.1", "-p", `${port}`, "-js", "-sd", folder],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `nats://127.0.0.1:${port}`;
    const connection = await client.connect({
      servers: url,
      waitOnFirstConnect: true,
      reconnectTimeWait: 20,
      maxReconnectAttempts: 500,
    });
    const { streams } = await client.jetstreamManager(connection);
    for (const name of ["BARE", "S"]) await streams.add({ name, subjects: [`${name}.>`] });
    await timed(
      "NATS client alone, publish",
      () => publishAll(connection, client as unknown as Publishing),
    );
    await connection.close();
    using near = roomy(0);
    using far = roomy(1);
    using consumer = near.consumer();
    fill(near);
    const options = { server: url, stream: "S", maxInFlight: IN_FLIGHT };
    await timed(
      "bridge out",
      () => bridgeOut(consumer, { ...options, subject: SUBJECT, ...untilAll() }),
    );
    {
      using producer = far.producer();
      await timed(
        "bridge in",
        () => bridgeIn(producer, { ...options, durable: "d", ...untilAll() }),
      );
    }
    using last = far.consumer();
    checkAll(last);
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
}

async function throughFile(): Promise<void> {
  const file = `${folder}/recorded.mcap`;
  using near = roomy(2);
  using far = roomy(3);
  using consumer = near.consumer();
  fill(near);
  await timed("bridge record", () => record(consumer, { file, count }));
  await timed("bridge replay --fast", () => replay(far, { file, fast: true }));
  using last = far.consumer();
  checkAll(last);
}

try {
  await throughNats();
} catch (error) {
  for (const what of ["NATS client alone, publish", "bridge out", "bridge in"]) {
    if (!(what in figures)) notRun[what] = (error as Error).message;
  }
}
await throughFile();
Deno.removeSync(folder, { recursive: true });
console.log(JSON.stringify({ role: "costs", figures, notRun }));
