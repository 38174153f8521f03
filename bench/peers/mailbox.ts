/**
 * The mailbox in Deno; `mailbox.c` is its twin. ADDRESS is its key. No text equals the one before it, and
 * all begin alike. A round trip is a send: it ends when the server has acknowledged the message.
 * `ping-await` and `pong-await` use promises, `ping` and `pong` block. `send` and `recv` are several
 * clients and their server, by promises: ADDRESS is KEY/CLIENTS, and all begin together, by a
 * semaphore at KEY + 1. `idle` waits
 * PAUSE milliseconds for a message that does not come.
 */

import { MailboxClient, MailboxServer, SemaphoreSet } from "../../mod.ts";
import {
  Arrivals,
  idling,
  Meter,
  numberedText,
  type Part,
  play,
  RoundTrips,
  SETTLE_MS,
} from "./peer.ts";

async function pingAwait(part: Part): Promise<void> {
  using client = MailboxClient.open({ key: Number(part.address) });
  await client.send("the server is there");
  const trips = new RoundTrips(part);
  for (let i = 0; trips.open; i++) {
    if (part.pause > 0) await trips.pause();
    await client.send(numberedText(i, part.size));
    trips.done();
  }
  trips.end();
}

async function pongAwait(part: Part): Promise<void> {
  using server = MailboxServer.open({ key: Number(part.address) });
  const meter = new Meter(part);
  meter.begin();
  let left = 1 + part.warm + part.count;
  for await (const _ of server) {
    if (--left === 0) break;
  }
  meter.end(part.count);
}

async function ping(part: Part): Promise<void> {
  using client = MailboxClient.open({ key: Number(part.address) });
  client.sendSync("the server is there");
  const trips = new RoundTrips(part);
  for (let i = 0; trips.open; i++) {
    if (part.pause > 0) await trips.pause();
    client.sendSync(numberedText(i, part.size));
    trips.done();
  }
  trips.end();
}

function pong(part: Part): void {
  using server = MailboxServer.open({ key: Number(part.address) });
  const meter = new Meter(part);
  meter.begin();
  for (let left = 1 + part.warm + part.count; left > 0; left--) {
    server.receiveSync();
    server.ack();
  }
  meter.end(part.count);
}

/** Waits until the server and all clients are there. The server removes the set at the end. */
async function met(
  { address }: Part,
): Promise<{ key: number; clients: number; set: SemaphoreSet }> {
  const [key, clients] = address.split("/").map(Number) as [number, number];
  const set = SemaphoreSet.openOrCreate({ key: key + 1, count: 1, values: [clients + 1] });
  await set.op([{ semaphore: 0, add: -1 }]);
  await set.op([{ semaphore: 0, add: 0 }]);
  return { key, clients, set };
}

async function recv(part: Part): Promise<void> {
  const { key, clients, set } = await met(part);
  using server = MailboxServer.open({ key });
  const arrivals = new Arrivals({
    ...part,
    count: part.count * clients,
    warm: part.warm * clients,
  });
  for await (const _ of server) {
    arrivals.add(1);
    if (!arrivals.open) break;
  }
  set.remove();
}

async function send(part: Part): Promise<void> {
  const { key } = await met(part);
  using client = MailboxClient.open({ key });
  const meter = new Meter(part);
  const run = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await client.send(numberedText(i, part.size));
  };
  await run(part.warm);
  meter.begin();
  await run(part.count);
  meter.end(part.count);
}

async function idle(part: Part): Promise<void> {
  using server = MailboxServer.open({ key: Number(part.address) });
  const received = server.receive({ timeout: SETTLE_MS + part.pause });
  await idling(part, received);
}

await play({ "ping-await": pingAwait, "pong-await": pongAwait, ping, pong, recv, send, idle });
