/**
 * The mailbox in Deno; `mailbox.c` is its twin. ADDRESS is its key. A round trip is one `sendSync`: it
 * comes back when the server has acknowledged the message. The `-await` roles use promises.
 */

import { Deadline, MailboxClient, MailboxServer } from "../../mod.ts";
import { Arrivals, idling, Meter, type Part, play, RoundTrips, SETTLE_MS } from "./peer.ts";

function recv(part: Part): void {
  using server = MailboxServer.open({ key: Number(part.address) });
  const arrivals = new Arrivals(part);
  while (arrivals.open) {
    server.receiveSync();
    server.ack();
    arrivals.add(1);
  }
}

function send(part: Part): void {
  using client = MailboxClient.open({ key: Number(part.address) });
  const text = "x".repeat(part.size);
  const meter = new Meter(part);
  for (let left = part.warm; left > 0; left--) client.sendSync(text);
  meter.begin();
  for (let left = part.count; left > 0; left--) client.sendSync(text);
  meter.end(part.count);
}

function ping(part: Part): void {
  using client = MailboxClient.open({ key: Number(part.address) });
  const text = "x".repeat(part.size);
  client.sendSync(text); // the server is there
  const trips = new RoundTrips(part);
  while (trips.open) {
    client.sendSync(text);
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

async function pingAwait(part: Part): Promise<void> {
  using client = MailboxClient.open({ key: Number(part.address) });
  const text = "x".repeat(part.size);
  await client.send(text);
  const trips = new RoundTrips(part);
  while (trips.open) {
    if (part.pause > 0) await trips.pause();
    await client.send(text);
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
    server.ack();
    if (--left === 0) break;
  }
  meter.end(part.count);
}

async function idle(part: Part): Promise<void> {
  using server = MailboxServer.open({ key: Number(part.address) });
  const received = server.receive({ deadline: Deadline.after(SETTLE_MS + part.pause) });
  await idling(part, received);
}

await play({
  recv,
  send,
  ping,
  pong,
  "ping-await": pingAwait,
  "pong-await": pongAwait,
  idle,
});
