/**
 * Two producers, a bridge out, a server, a bridge in and a consumer, of which one after the other is killed
 * at a random instant and started again. At the end, each message that was ever in the first channel is in the
 * stream once, in the order of its producer, and was received from the second channel.
 */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import type { Random } from "../crash/random.ts";
import { freshKey, Peer, PROJECT, withLocalImports } from "../support/peer.ts";
import { natsClient, NatsServer } from "./nats_server.ts";

/** Longer than the longest run. */
const SAFETY_MS = 3_600_000;
/** How long it may take until all is through once nothing is killed any more: a safety net only. */
const DRAIN_MS = 120_000;
/** The longest time from the first progress after a kill to the next kill. */
const PAUSE_MS = 300;
/** How soon a process that ended by itself is started again. */
const RESTART_MS = 200;
/** How long to wait for that progress. */
const PROGRESS_MS = 10_000;
/** How soon the stream delivers again: bridges in wait for it when they start. */
const ACK_WAIT_MS = 250;

/** Sends `LIFE:N` for N from 0, in groups of random size. */
const PRODUCER = (key: number, life: string): string => `
  import { Channel } from "@sysv/shm";
  const channel = Channel.openOrCreate({ key: ${key} });
  const producer = channel.producer();
  const encoder = new TextEncoder();
  for (let n = 0;;) {
    for (let left = Math.ceil(Math.random() * 16); left > 0; left--) {
      const bytes = encoder.encode("${life}:" + n);
      if (!producer.stage(bytes, { tag: n })) break;
      n++;
    }
    producer.publish();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
`;

/** Prints what it receives, and acknowledges it after that. */
const CONSUMER = (key: number): string => `
  import { Channel } from "@sysv/shm";
  const channel = Channel.openOrCreate({ key: ${key} });
  const consumer = channel.consumer();
  const encoder = new TextEncoder();
  while (await consumer.ready()) {
    const lines = [];
    consumer.drain((bytes) => { lines.push(new TextDecoder().decode(bytes.slice())); }, { ack: "after" });
    let rest = encoder.encode(lines.join("\\n") + "\\n");
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
    consumer.ack();
  }
`;

/** What a run has done. */
export interface Summary {
  readonly rounds: number;
  /** Messages in the stream. */
  readonly messages: number;
  /** How many of them the consumers received more than once. */
  readonly receivedAgain: number;
}

/** A process that is killed and started again. One that ends by itself is too, as a service manager does. */
class Mortal implements AsyncDisposable {
  readonly #make: () => Peer;
  #peer: Peer;
  #isOver = false;
  /** What all of its lives have printed in whole lines. */
  readonly lines: string[] = [];

  constructor(make: () => Peer) {
    this.#make = make;
    this.#peer = this.#start();
  }

  #start(): Peer {
    const peer = this.#make();
    peer.ended().then(async ({ stdout }) => {
      // What comes after the last newline was cut off
      for (const line of stdout.split("\n").slice(0, -1)) this.lines.push(line);
      await pause(RESTART_MS);
      if (!this.#isOver && this.#peer === peer) this.#peer = this.#start();
    });
    return peer;
  }

  /** Ends it for good. */
  async kill(): Promise<void> {
    this.#isOver = true;
    await this.restart();
  }

  /** Kills it. */
  async restart(): Promise<void> {
    const peer = this.#peer;
    peer.kill("SIGKILL");
    await peer.ended();
    if (!this.#isOver && this.#peer === peer) this.#peer = this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function deno(...args: readonly string[]): Peer {
  return Peer.start(Deno.execPath(), args, {}, SAFETY_MS);
}

function program(source: string): Peer {
  return deno("eval", "--ext=ts", "--no-check", withLocalImports(source));
}

/** Kills `rounds` times, and tells after each. Throws if a message was lost, is twice in the stream, or overtook another. */
export async function killAtRandom(
  rounds: number,
  random: Random,
  tell: (round: number) => void = () => {},
): Promise<Summary> {
  await using server = await NatsServer.start();
  await server.addStream("S");
  await server.with(async (connection) => {
    const { consumers } = await natsClient().jetstreamManager(connection);
    const config = { durable_name: "d", ack_policy: "explicit", ack_wait: ACK_WAIT_MS * 1e6 };
    await consumers.add("S", config);
  });
  const keys = { near: freshKey(), far: freshKey() };
  using near = Channel.openOrCreate({ key: keys.near, lanes: 4, laneCapacity: 1 << 14 });
  using far = Channel.openOrCreate({ key: keys.far, lanes: 4, laneCapacity: 1 << 14 });
  const bridge = (verb: string, key: number, ...args: readonly string[]): Mortal =>
    new Mortal(() =>
      deno(
        ...["run", "--no-check", "--allow-ffi", "--allow-net=127.0.0.1", `${PROJECT}cli.ts`],
        ...["bridge", verb, `--key=${key}`, `--server=${server.url}`, "--stream=S", "-q", ...args],
      )
    );
  let lives = 0;
  const producer = (): Mortal => new Mortal(() => program(PRODUCER(keys.near, `p${lives++}`)));
  await using out = bridge("out", keys.near, "--subject=S.x");
  await using one = producer();
  await using two = producer();
  await using into = bridge("in", keys.far, "--durable=d");
  await using consumer = new Mortal(() => program(CONSUMER(keys.far)));
  const killable: readonly (() => Promise<void>)[] = [
    () => out.restart(),
    () => into.restart(),
    () => one.restart(),
    () => two.restart(),
    () => consumer.restart(),
    async () => {
      await server.stop("SIGKILL");
      await server.start();
    },
  ];
  for (let round = 0; round < rounds; round++) {
    // Some are killed while they start
    if (random.below(4) > 0) await progress(near, far);
    await pause(random.below(PAUSE_MS));
    await random.of(killable)();
    tell(round + 1);
  }
  await Promise.all([one.kill(), two.kill()]);
  await untilThrough(server, near, far);
  await consumer.kill();
  const sent = near.stats().lanes.reduce((sum, { messages }) => sum + messages, 0);
  const stored = await server.stored("S");
  checkOrder(stored.map(({ text }) => text));
  assert.equal(stored.length, sent, "in the stream, and ever in the channel");
  const received = new Set(consumer.lines);
  checkOrder([...received]);
  assert.equal(received.size, sent, "received, and ever sent");
  return { rounds, messages: sent, receivedAgain: consumer.lines.length - sent };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How many messages were received from a channel. */
function taken(channel: Channel): number {
  return channel.stats().lanes.reduce((sum, { messages, depth }) => sum + messages - depth, 0);
}

/** Waits until both bridges have passed on something, and the consumer has received it. */
async function progress(near: Channel, far: Channel): Promise<void> {
  const before = [taken(near), taken(far)];
  const end = performance.now() + PROGRESS_MS;
  const isStuck = (): boolean => taken(near) === before[0] || taken(far) === before[1];
  while (isStuck() && performance.now() < end) await pause(10);
}

/** Waits until the channels are empty, and the stream has delivered all it has. */
async function untilThrough(server: NatsServer, near: Channel, far: Channel): Promise<void> {
  const end = performance.now() + DRAIN_MS;
  const depth = (channel: Channel): number =>
    channel.stats().lanes.reduce((sum, { depth }) => sum + depth, 0);
  const undelivered = (): Promise<number> =>
    server.with(async (connection) => {
      const { consumers } = await natsClient().jetstreamManager(connection);
      const info = await consumers.info("S", "d") as unknown as { readonly num_pending: number };
      return info.num_pending + (await consumers.info("S", "d")).num_ack_pending;
    });
  while (depth(near) > 0 || await undelivered() > 0 || depth(far) > 0) {
    const left = `${depth(near)} in the first channel, ${await undelivered()} in the stream`;
    assert(performance.now() < end, `still ${left}, ${depth(far)} in the second channel`);
    await pause(100);
  }
}

/** Fails unless the messages of each life of a producer are there from the first on, in order, once. */
function checkOrder(texts: readonly string[]): void {
  const next = new Map<string, number>();
  for (const [at, text] of texts.entries()) {
    const [life, n] = text.split(":");
    const expected = next.get(life!) ?? 0;
    assert.equal(Number(n), expected, `message ${at}, ${text}`);
    next.set(life!, expected + 1);
  }
}
