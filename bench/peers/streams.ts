/** The four roles over any two streams of bytes in Deno. */

import { Arrivals, batchOf, DISTINCT, distinct, Meter, type Part, RoundTrips } from "./peer.ts";

/** What a connection, a pipe and a standard stream have in common. */
export interface Reading {
  read(bytes: Uint8Array): Promise<number | null>;
}

/** What a connection, a pipe and a standard stream have in common. */
export interface Writing {
  write(bytes: Uint8Array): Promise<number>;
}

/** One read may bring many messages: the kindest case for a stream. */
const READ_BYTES = 1 << 18;

async function writeAll(to: Writing, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
}

async function readAll(from: Reading, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await from.read(bytes.subarray(done));
    if (count === null) throw new Error("the other side has gone");
    done += count;
  }
}

/** Receives; counts whole messages. */
export async function recv(part: Part, from: Reading): Promise<void> {
  const arrivals = new Arrivals(part);
  const buffer = new Uint8Array(READ_BYTES);
  let bytes = 0;
  while (arrivals.open) {
    const count = await from.read(buffer);
    if (count === null) throw new Error("the other side has gone");
    bytes += count;
    const messages = Math.floor(bytes / part.size);
    bytes -= messages * part.size;
    if (messages > 0) arrivals.add(messages);
  }
}

/** Sends, one write a message. */
export async function send(part: Part, to: Writing): Promise<void> {
  const message = new Uint8Array(part.size).fill(1);
  const meter = new Meter(part);
  for (let left = part.warm; left > 0; left--) await writeAll(to, message);
  meter.begin();
  for (let left = part.count; left > 0; left--) await writeAll(to, message);
  meter.end(part.count);
}

/** Sends, one write a batch: it gathers distinct messages in a buffer. */
export async function sendBatches(part: Part, to: Writing): Promise<void> {
  const messages = distinct(() => part.size);
  const buffer = new Uint8Array(part.size * batchOf(part.size));
  const meter = new Meter(part);
  const run = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count;) {
      let length = 0;
      for (; length < buffer.length && sent < count; length += part.size, sent++) {
        buffer.set(messages[sent % DISTINCT]!, length);
      }
      await writeAll(to, buffer.subarray(0, length));
    }
  };
  await run(part.warm);
  meter.begin();
  await run(part.count);
  meter.end(part.count);
}

/** Makes round trips. */
export async function ping(part: Part, from: Reading, to: Writing): Promise<void> {
  const message = new Uint8Array(part.size);
  const trips = new RoundTrips(part);
  while (trips.open) {
    if (part.pause > 0) await trips.pause();
    await writeAll(to, message);
    await readAll(from, message);
    trips.done();
  }
  trips.end();
}

/** Answers them. */
export async function pong(part: Part, from: Reading, to: Writing): Promise<void> {
  const message = new Uint8Array(part.size);
  const meter = new Meter(part);
  for (let left = part.count + part.warm; left > 0; left--) {
    if (left === part.count) meter.begin();
    await readAll(from, message);
    await writeAll(to, message);
  }
  meter.end(part.count);
}
