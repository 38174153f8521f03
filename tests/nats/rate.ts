/**
 * How many messages of 64 bytes a second pass the bridge, beside the bare client:
 * `deno run -P=tests tests/nats/rate.ts [MESSAGES]`. Every message is distinct, and stored in a file.
 */

import { Channel } from "../../mod.ts";
import { bridgeIn, bridgeOut } from "../../src/nats/mod.ts";
import { freshKey } from "../support/peer.ts";
import { natsClient, NatsServer, until } from "./nats_server.ts";

const COUNT = Number(Deno.args[0] ?? 100_000);
const BYTES = 64;
const IN_FLIGHT = 1024;

/** JetStream of the client, as far as this needs it. */
interface Publishing {
  jetstream(connection: unknown): {
    publish(
      subject: string,
      data: Uint8Array,
      options: { msgID: string; timeout: number },
    ): Promise<unknown>;
  };
}

function message(n: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BYTES);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

async function timed(what: string, action: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await action();
  const rate = COUNT / (performance.now() - begin) * 1e3;
  console.log(`${what.padEnd(28)}${Math.round(rate).toLocaleString("en").padStart(8)} messages/s`);
}

await using server = await NatsServer.start();
await server.addStream("BARE");
await server.addStream("S");
const { jetstream } = natsClient() as unknown as Publishing;
await server.with((connection) =>
  timed("client alone, publish", async () => {
    const client = jetstream(connection);
    for (let n = 0; n < COUNT; n += IN_FLIGHT) {
      const size = Math.min(IN_FLIGHT, COUNT - n);
      await Promise.all(
        Array.from(
          { length: size },
          (_, i) =>
            client.publish("BARE.x", message(n + i), { msgID: `${n + i}`, timeout: 60_000 }),
        ),
      );
    }
  })
);
using near = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1 << 25 });
using far = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1 << 25 });
using producer = near.producer();
using consumer = near.consumer();
for (let n = 0; n < COUNT; n++) producer.sendSync(message(n));
const options = { server: server.url, stream: "S", maxInFlight: IN_FLIGHT };
await timed(
  "bridgeOut",
  () => bridgeOut(consumer, { ...options, subject: "S.x", ...until(COUNT) }),
);
using into = far.producer();
await timed("bridgeIn", () => bridgeIn(into, { ...options, durable: "d", ...until(COUNT) }));
using last = far.consumer();
let sum = 0;
last.drain(() => void sum++);
if (sum !== COUNT) throw new Error(`${sum} of ${COUNT} messages arrived`);
