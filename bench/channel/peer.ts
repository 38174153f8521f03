/**
 * One side of a measurement over the channel, in TypeScript; `peer.c` is the same in C. Prints one line
 * of JSON.
 *
 *     peer.ts recv KEY SIZE COUNT     drains COUNT messages; seconds from the first to the last
 *     peer.ts send KEY SIZE COUNT     stages them, and publishes in batches
 *     peer.ts ping KEY COUNT          round trips over KEY and KEY + 1, both sides spinning
 *     peer.ts pong KEY COUNT
 *     peer.ts await-ping KEY COUNT PAUSE   the same through promises; PAUSE ms before each, so that
 *     peer.ts await-pong KEY COUNT PAUSE   the other side sleeps
 *     peer.ts idle KEY SECONDS        waits for a message that does not come; CPU used
 */

import process from "node:process";
import { Channel, Deadline } from "../../mod.ts";
import { percentiles } from "./percentiles.ts";

const [role = "", keyText = "", ...numbers] = Deno.args;
const key = Number(keyText);
const [first = 0, second = 0] = numbers.map(Number);

/** Messages of a batch: enough to share one store among many, few enough to keep the other side busy. */
const BATCH_BYTES = 16384;
const BATCH_MOST = 256;
/** Larger messages are copied by whoever gets them, as a program would. */
const COPIED = 1024;
/** Round trips before those that count. */
const WARM_UP = 20_000;
const SPIN_US = 1_000_000;

function open(offset = 0): Channel {
  return Channel.openOrCreate({ key: key + offset, lanes: 1, laneCapacity: 1 << 20 });
}

function recv(size: number, count: number): void {
  using channel = open();
  using consumer = channel.consumer();
  const copy = new Uint8Array(size);
  let received = 0;
  let sum = 0;
  const look = (bytes: Uint8Array): void => {
    received++;
    sum += bytes[0]!;
  };
  const take = (bytes: Uint8Array): void => {
    received++;
    copy.set(bytes);
  };
  const visit = size < COPIED ? look : take;
  consumer.readySync();
  const start = performance.now();
  const heap = Deno.memoryUsage().heapUsed;
  while (received < count) if (consumer.drain(visit) === 0) consumer.readySync();
  const seconds = (performance.now() - start) / 1000;
  const grown = Deno.memoryUsage().heapUsed - heap;
  console.log(JSON.stringify({ seconds, heapGrown: grown, sum: sum + copy[0]! }));
}

function send(size: number, count: number): void {
  using channel = open();
  using producer = channel.producer();
  const message = new Uint8Array(size).fill(1);
  const batch = Math.max(1, Math.min(BATCH_MOST, Math.floor(BATCH_BYTES / size)));
  for (let sent = 0; sent < count;) {
    let staged = 0;
    while (staged < batch && sent < count && producer.stage(message)) {
      staged++;
      sent++;
    }
    producer.publish();
    if (staged < batch && sent < count) {
      producer.sendSync(message);
      sent++;
    }
  }
}

function ping(count: number): void {
  using there = open();
  using back = open(1);
  using producer = there.producer();
  using consumer = back.consumer({ spin: SPIN_US });
  const message = new Uint8Array(8);
  const times = new Float64Array(count);
  let got = 0;
  const visit = (): void => void got++;
  for (let i = -WARM_UP; i < count; i++) {
    const start = performance.now();
    producer.trySend(message);
    while (consumer.drain(visit) === 0);
    if (i >= 0) times[i] = performance.now() - start;
  }
  console.log(JSON.stringify(percentiles(times)));
}

function pong(count: number): void {
  using there = open();
  using back = open(1);
  using producer = back.producer();
  using consumer = there.consumer({ spin: SPIN_US });
  const message = new Uint8Array(8);
  for (let left = count + WARM_UP; left > 0; left--) {
    while (consumer.drain(() => {}) === 0);
    producer.trySend(message);
  }
}

async function awaitPing(count: number, pause: number): Promise<void> {
  using there = open();
  using back = open(1);
  using producer = there.producer();
  using consumer = back.consumer();
  const message = new Uint8Array(8);
  const times = new Float64Array(count);
  for (let i = pause === 0 ? -WARM_UP : 0; i < count; i++) {
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    const start = performance.now();
    await producer.send(message);
    await consumer.receive({ ack: "before" });
    if (i >= 0) times[i] = performance.now() - start;
  }
  console.log(JSON.stringify(percentiles(times)));
}

async function awaitPong(count: number, pause: number): Promise<void> {
  using there = open();
  using back = open(1);
  using producer = back.producer();
  using consumer = there.consumer();
  let left = pause === 0 ? count + WARM_UP : count;
  for await (const { bytes } of consumer) {
    await producer.send(bytes);
    if (--left === 0) break;
  }
}

async function idle(seconds: number): Promise<void> {
  using channel = open();
  using consumer = channel.consumer();
  const before = process.cpuUsage();
  await consumer.receive({ deadline: Deadline.after(seconds * 1000) }).catch(() => {});
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({ share: (used.user + used.system) / 1e6 / seconds }));
}

switch (role) {
  case "recv":
    recv(first, second);
    break;
  case "send":
    send(first, second);
    break;
  case "ping":
    ping(first);
    break;
  case "pong":
    pong(first);
    break;
  case "await-ping":
    await awaitPing(first, second);
    break;
  case "await-pong":
    await awaitPong(first, second);
    break;
  case "idle":
    await idle(first);
    break;
  default:
    console.error("see the head of this file");
    Deno.exit(2);
}
