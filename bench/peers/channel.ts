/**
 * The channel in Deno; `channel.c` is its twin. ADDRESS is KEY/LANES; a round trip uses KEY + 1 for the
 * way back.
 *
 * `send` stages `producer.scratch`, or one larger payload again and again, and publishes in batches;
 * `recv` drains.
 * `send-distinct` stages many payload objects in turn, `send-varying` such of 1 to 127 bytes, and
 * `send-text` encodes a text for each message. `send-sync`, `recv-sync`, `ping-sync` and `pong-sync` are
 * one call a message, `send-await` and `recv-await` are `await send` and `for await`.
 * `ping` and `pong` spin, `ping-await` and `pong-await` use promises. `send-heap` claims reservations, and like
 * `recv-heap` it tells the bytes allocated. `idle` waits PAUSE milliseconds for a message that does not
 * come.
 */

import { Channel, type Consumer, type Producer } from "../../mod.ts";
import type { ConsumerOptions } from "../../src/channel/mod.ts";
import {
  Arrivals,
  batchOf,
  COPIED,
  DISTINCT,
  distinct,
  idling,
  Meter,
  numberedText,
  type Part,
  play,
  RoundTrips,
  SETTLE_MS,
  TOGETHER,
} from "./peer.ts";

const SPIN_US = 1_000_000;
const LEAST_CAPACITY = 1 << 20;
/** Bytes that `producer.scratch` gives at most. */
const SCRATCH = 256;

function open({ address, size }: Part, offset = 0): Channel {
  const [key, lanes] = address.split("/").map(Number);
  // A message takes up at most half a lane: room for four, so that both sides can work at once
  const laneCapacity = Math.max(LEAST_CAPACITY, 2 ** Math.ceil(Math.log2(size)) * 4);
  return Channel.openOrCreate({ key: key! + offset, lanes: lanes!, laneCapacity });
}

/** Sending begins when the other side is there: a lane filled before it comes measures nothing. */
async function consumerOf(channel: Channel): Promise<void> {
  while (channel.consumerPid === undefined) await new Promise((done) => setTimeout(done, 1));
}

/** One side of a round trip: `ping` sends on KEY and receives on KEY + 1, `pong` the other way round. */
class Ends implements Disposable {
  readonly producer: Producer;
  readonly consumer: Consumer;
  readonly #channels: readonly [there: Channel, back: Channel];

  constructor(part: Part, side: "ping" | "pong", options?: ConsumerOptions) {
    this.#channels = [open(part), open(part, 1)];
    const [there, back] = this.#channels;
    this.producer = (side === "ping" ? there : back).producer();
    this.consumer = (side === "ping" ? back : there).consumer(options);
  }

  /** Waits until `pong` is there. For `ping`. */
  async met(): Promise<void> {
    await consumerOf(this.#channels[0]);
  }

  [Symbol.dispose](): void {
    this.consumer.close();
    this.producer.close();
    for (const channel of this.#channels.toReversed()) channel.close();
  }
}

function recv(part: Part): void {
  using channel = open(part);
  using consumer = channel.consumer();
  const arrivals = new Arrivals(part);
  const copy = new Uint8Array(part.size);
  let sum = 0;
  const look = (bytes: Uint8Array): void => void (sum += bytes[0]!);
  const take = (bytes: Uint8Array): void => copy.set(bytes);
  const visit = part.size < COPIED ? look : take;
  while (arrivals.open) {
    const count = consumer.drain(visit);
    if (count > 0) arrivals.add(count);
    else consumer.readySync();
  }
  if (sum + copy[0]! === 0) throw new Error("empty messages arrived");
}

/** 1 to 127, about equally often, in no order that is easy to foresee. */
function varyingLength(i: number): number {
  return 1 + i * 37 % 127;
}

/** A message that is sent again and again: the producer's own where it has one. */
function repeated(producer: Producer, size: number): Uint8Array {
  return size <= SCRATCH ? producer.scratch(size) : new Uint8Array(size);
}

/** Sends what `payload` gives for each message's number. */
async function sendBatches(
  part: Part,
  payloads: (producer: Producer) => (i: number) => Uint8Array,
): Promise<void> {
  using channel = open(part);
  using producer = channel.producer();
  await consumerOf(channel);
  const payload = payloads(producer);
  const batch = batchOf(part.size);
  const meter = new Meter(part);
  const run = (count: number): void => {
    for (let sent = 0; sent < count;) {
      let staged = 0;
      while (staged < batch && sent < count && producer.stage(payload(sent))) {
        staged++;
        sent++;
      }
      producer.publish();
      if (staged < batch && sent < count) {
        producer.sendSync(payload(sent));
        sent++;
      }
    }
  };
  run(part.warm);
  meter.begin();
  run(part.count);
  meter.end(part.count);
}

function send(part: Part): Promise<void> {
  return sendBatches(part, (producer) => {
    const message = repeated(producer, part.size).fill(1);
    return () => message;
  });
}

function sendDistinct(part: Part): Promise<void> {
  const messages = distinct(() => part.size);
  return sendBatches(part, () => (i) => messages[i % DISTINCT]!);
}

function sendVarying(part: Part): Promise<void> {
  const messages = distinct(varyingLength);
  return sendBatches(part, () => (i) => messages[i % DISTINCT]!);
}

function sendText(part: Part): Promise<void> {
  const texts = Array.from({ length: DISTINCT }, (_, i) => numberedText(i, part.size));
  const encoder = new TextEncoder();
  return sendBatches(part, () => (i) => encoder.encode(texts[i % DISTINCT]!));
}

function recvSync(part: Part): void {
  using channel = open(part);
  using consumer = channel.consumer();
  const arrivals = new Arrivals(part);
  while (arrivals.open) {
    consumer.receiveSync({ ack: "before" });
    arrivals.add(1);
  }
}

async function sendSync(part: Part): Promise<void> {
  using channel = open(part);
  using producer = channel.producer();
  await consumerOf(channel);
  const message = new Uint8Array(part.size).fill(1);
  const meter = new Meter(part);
  for (let left = part.warm; left > 0; left--) producer.sendSync(message);
  meter.begin();
  for (let left = part.count; left > 0; left--) producer.sendSync(message);
  meter.end(part.count);
}

async function recvAwait(part: Part): Promise<void> {
  using channel = open(part);
  using consumer = channel.consumer();
  const arrivals = new Arrivals(part);
  for await (const _ of consumer) {
    arrivals.add(1);
    if (!arrivals.open) break;
  }
}

async function sendAwait(part: Part): Promise<void> {
  using channel = open(part);
  using producer = channel.producer();
  await consumerOf(channel);
  const messages = distinct(() => part.size);
  const meter = new Meter(part);
  for (let i = 0; i < part.warm; i++) await producer.send(messages[i % DISTINCT]!);
  meter.begin();
  for (let i = 0; i < part.count; i++) await producer.send(messages[i % DISTINCT]!);
  meter.end(part.count);
}

async function ping(part: Part): Promise<void> {
  using ends = new Ends(part, "ping", { spin: SPIN_US });
  const { producer, consumer } = ends;
  await ends.met();
  const message = repeated(producer, part.size);
  const trips = new RoundTrips(part);
  let left = trips.open ? part.warm + part.count : 0;
  let together = 0;
  const next = (): void => {
    together++;
    if (--left % TOGETHER === 0) {
      trips.done(together);
      together = 0;
    }
    if (left > 0) producer.trySend(message);
  };
  producer.trySend(message);
  while (left > 0) consumer.drain(next);
  trips.end();
}

/** Answers from within `drain`, as a program that answers at once would: giving space back can come later. */
function pong(part: Part): void {
  using ends = new Ends(part, "pong", { spin: SPIN_US });
  const { producer, consumer } = ends;
  const message = repeated(producer, part.size);
  const meter = new Meter(part);
  let left = part.count + part.warm;
  const answer = (): void => {
    if (left-- === part.count) meter.begin();
    producer.trySend(message);
  };
  while (left > 0) consumer.drain(answer);
  meter.end(part.count);
}

async function pingSync(part: Part): Promise<void> {
  using ends = new Ends(part, "ping");
  const { producer, consumer } = ends;
  await ends.met();
  const message = new Uint8Array(part.size);
  const trips = new RoundTrips(part);
  while (trips.open) {
    if (part.pause > 0) await trips.pause();
    producer.sendSync(message);
    consumer.receiveSync({ ack: "before" });
    trips.done();
  }
  trips.end();
}

function pongSync(part: Part): void {
  using ends = new Ends(part, "pong");
  const { producer, consumer } = ends;
  const meter = new Meter(part);
  for (let left = part.count + part.warm; left > 0; left--) {
    const { bytes } = consumer.receiveSync();
    if (left === part.count) meter.begin();
    producer.sendSync(bytes);
  }
  consumer.ack();
  meter.end(part.count);
}

async function pingAwait(part: Part): Promise<void> {
  using ends = new Ends(part, "ping");
  const { producer, consumer } = ends;
  await ends.met();
  const messages = distinct(() => part.size);
  const trips = new RoundTrips(part);
  for (let i = 0; trips.open; i++) {
    if (part.pause > 0) await trips.pause();
    await producer.send(messages[i % DISTINCT]!);
    await consumer.receive({ ack: "before" });
    trips.done();
  }
  trips.end();
}

async function pongAwait(part: Part): Promise<void> {
  using ends = new Ends(part, "pong");
  const { producer, consumer } = ends;
  const meter = new Meter(part);
  let left = part.count + part.warm;
  for await (const { bytes } of consumer) {
    if (left === part.count) meter.begin();
    await producer.send(bytes);
    if (--left === 0) break;
  }
  meter.end(part.count);
}

/** Adds up what the heap grows by: what a collection takes away in between does not count. */
class Allocation {
  #last = Deno.memoryUsage().heapUsed;
  bytes = 0;

  look(): void {
    const now = Deno.memoryUsage().heapUsed;
    if (now > this.#last) this.bytes += now - this.#last;
    this.#last = now;
  }
}

/** Messages between two looks at the heap: a look allocates a little too. */
const LOOK_EVERY = 250_000;

function recvHeap(part: Part): void {
  using channel = open(part);
  using consumer = channel.consumer();
  const meter = new Meter(part);
  let allocation: Allocation | undefined;
  let received = 0;
  let next = part.warm;
  let sum = 0;
  const visit = (bytes: Uint8Array): void => void (sum += bytes[0]!);
  while (received < part.warm + part.count) {
    // It spins: to sleep allocates, which has nothing to do with messages
    received += consumer.drain(visit);
    if (received < next) continue;
    next = received + LOOK_EVERY;
    if (allocation === undefined) {
      meter.begin();
      allocation = new Allocation();
    } else allocation.look();
  }
  allocation!.look();
  meter.end(part.count, { heapGrownBytes: allocation!.bytes, sum });
}

async function sendHeap(part: Part): Promise<void> {
  using channel = open(part);
  using producer = channel.producer();
  await consumerOf(channel);
  const meter = new Meter(part);
  const run = (count: number): void => {
    for (let sent = 0; sent < count;) {
      const reservation = producer.claim(part.size);
      if (reservation === undefined) continue;
      reservation.bytes[0] = 1;
      reservation.commit();
      sent++;
    }
  };
  run(part.warm);
  meter.begin();
  const allocation = new Allocation();
  for (let left = part.count; left > 0; left -= LOOK_EVERY) {
    run(Math.min(left, LOOK_EVERY));
    allocation.look();
  }
  meter.end(part.count, { heapGrownBytes: allocation.bytes });
}

async function idle(part: Part): Promise<void> {
  using channel = open(part);
  using consumer = channel.consumer();
  const received = consumer.receive({ timeout: SETTLE_MS + part.pause });
  await idling(part, received);
}

await play({
  recv,
  send,
  "send-distinct": sendDistinct,
  "send-varying": sendVarying,
  "send-text": sendText,
  "recv-sync": recvSync,
  "send-sync": sendSync,
  "recv-await": recvAwait,
  "send-await": sendAwait,
  ping,
  pong,
  "ping-sync": pingSync,
  "pong-sync": pongSync,
  "ping-await": pingAwait,
  "pong-await": pongAwait,
  "recv-heap": recvHeap,
  "send-heap": sendHeap,
  idle,
});
