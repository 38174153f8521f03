/**
 * Recorders that are killed at random instants. At the end, each message that was ever in the channel is in one
 * of their files, in the order of its lane.
 */

import assert from "node:assert/strict";
import { Channel, type Producer } from "../../mod.ts";
import { record, replay } from "../../src/mcap/mod.ts";
import type { Random } from "../crash/random.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";

/** The longest time from the beginning of a recording, or from its first message, to its kill. */
const LIFE_MS = 60;
/** How long to wait for the first message: a safety net only. */
const FIRST_MS = 30_000;
/** Small, so that the recorder writes often. */
const CAPACITY = 1 << 13;

/** Says when it begins. */
const RECORDER = (key: number, file: string): string => `
  import { Channel } from "@sysv/shm";
  import { record } from "@sysv/shm/mcap";
  using channel = Channel.open(${key});
  using consumer = channel.consumer();
  console.log("ready");
  await record(consumer, { file: "${file}" });
`;

/** Sends numbers, each with itself as the tag, as long as there is room. */
class Numbers {
  readonly #producer: Producer;
  next = 0;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  send(): void {
    const { lane } = this.#producer;
    const encoder = new TextEncoder();
    for (;; this.next++) {
      const bytes = encoder.encode(`${lane}:${this.next}`);
      if (!this.#producer.trySend(bytes, { tag: this.next })) return;
    }
  }
}

/** Sends for some time, or until it is enough. */
async function sendUntil(
  numbers: readonly Numbers[],
  ms: number,
  isEnough: () => boolean,
): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end && !isEnough()) {
    for (const each of numbers) each.send();
    await new Promise((go) => setTimeout(go, 1));
  }
}

/** Whether a file has more than its beginning. */
function hasMessages(file: string): boolean {
  try {
    return Deno.statSync(file).size > 1024;
  } catch {
    return false;
  }
}

/** The tags of a file, by lane. */
async function tagsIn(file: string): Promise<number[][]> {
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1 << 22 });
  await replay(channel, { file, fast: true });
  using consumer = channel.consumer();
  const found: number[][] = [[], []];
  const decoder = new TextDecoder();
  consumer.drain((bytes, tag) => {
    const [lane, number] = decoder.decode(bytes.slice()).split(":").map(Number);
    assert.equal(number, tag);
    found[lane!]!.push(tag);
  });
  return found;
}

/** Kills `rounds` recorders, and returns how many of the files have messages. Throws if a message was lost. */
export async function killRecorders(rounds: number, random: Random): Promise<number> {
  using folder = new TestFolder();
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: CAPACITY });
  using one = channel.producer();
  using two = channel.producer();
  const numbers = [new Numbers(one), new Numbers(two)];
  const files = Array.from({ length: rounds + 1 }, (_, round) => `${folder.path}/${round}.mcap`);
  for (const file of files.slice(0, rounds)) {
    await using recorder = Peer.typescript(RECORDER(channel.key, file), "--no-check");
    await recorder.line();
    // Some are killed while they start
    if (random.below(4) > 0) await sendUntil(numbers, FIRST_MS, () => hasMessages(file));
    await sendUntil(numbers, random.below(LIFE_MS), () => false);
    recorder.kill("SIGKILL");
    await recorder.ended();
  }
  const left = channel.stats().lanes.reduce((sum, { depth }) => sum + depth, 0);
  if (left > 0) {
    using consumer = channel.consumer();
    await record(consumer, { file: files[rounds]!, count: left });
  }
  const reached = [0, 0];
  let filled = 0;
  for (const file of files) {
    const tags = await tagsIn(file).catch((error) => {
      // Killed before it had created the file, or written its beginning
      assert(["ENOENT", "EFORMAT"].includes(error.code), error);
      return [];
    });
    if (tags.some((lane) => lane.length > 0)) filled++;
    for (const [lane, those] of tags.entries()) {
      if (those.length === 0) continue;
      const begin = those[0]!;
      assert(
        begin <= reached[lane]!,
        `${file}, lane ${lane}: ${reached[lane]} to ${begin} are lost`,
      );
      assert.deepEqual(those, Array.from(those, (_, i) => begin + i), `${file}, lane ${lane}`);
      reached[lane] = Math.max(reached[lane]!, begin + those.length);
    }
  }
  assert.deepEqual(reached, numbers.map(({ next }) => next));
  return filled;
}
