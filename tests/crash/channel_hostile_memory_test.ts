/**
 * A live channel whose memory says what no honest peer would write, in TypeScript and in C: the worst
 * that comes of it is a wrong message or a clear error.
 */

import assert from "node:assert/strict";
import { type Channel, Segment } from "../../mod.ts";
import { HEADER, MAGIC } from "../../src/channel/descriptor.ts";
import { swapped } from "../../src/sync/header_layout.ts";
import { LANE_WORD } from "../../src/channel/lane_words.ts";
import { byte, drained, scratchChannel, withLaneWords } from "../channel/scratch_channel.ts";
import { run } from "../cli/command_line.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { missing, testWith } from "../support/needs.ts";
import { Peer, PROJECT, TestFolder } from "../support/peer.ts";
import { fuzzChannels } from "./channel_hostile_fuzz.ts";
import { PAIRINGS, runC, runPairing } from "./channel_hostile_peers.ts";
import { hostileProgram } from "./hostile_program.ts";
import { seed as chosenSeed } from "./random.ts";

guardAgainstLeaks();

const { TAIL, HEAD } = LANE_WORD;

/** Stores a word of lane 0. */
function spoil(channel: Channel, word: number, value: number): void {
  withLaneWords(channel, 0, (words) => Atomics.store(words, word, value));
}

Deno.test("Consumer.discard: corrects a wrong head of an empty lane", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const soon = { timeout: 0 };
  spoil(channel, HEAD, 64);
  assert.throws(() => consumer.readySync(soon), { code: "ECORRUPT" });
  assert.equal(consumer.discard(0), 0);
  assert.throws(() => consumer.readySync(soon), { code: "ETIMEDOUT" });
  for (let i = 0; i < 100; i++) {
    producer.sendSync(byte(i), soon);
    assert.deepEqual(drained(consumer), [i]);
  }
});

Deno.test("Consumer.receive: a tail that was there for a moment keeps no consumer awake", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  spoil(channel, TAIL, 64);
  assert(consumer.readySync());
  spoil(channel, TAIL, 0);
  assert.equal(consumer.drain(() => {}), 0);
  const soon = { timeout: 0 };
  assert.throws(() => consumer.readySync(soon), { code: "ETIMEDOUT" });
  await assert.rejects(consumer.ready(soon), { code: "ETIMEDOUT" });
});

Deno.test("Channel: positions that do not match are found, also if both of a lane are wrong", () => {
  for (const step of [1, 4, 7]) {
    using channel = scratchChannel();
    spoil(channel, TAIL, step);
    spoil(channel, HEAD, step);
    assert.throws(() => channel.producer(), { code: "ECORRUPT" });
    using consumer = channel.consumer();
    spoil(channel, TAIL, step + 16);
    assert.throws(() => consumer.tryReceive(), { code: "ECORRUPT" });
    assert.throws(() => consumer.drain(() => {}), { code: "ECORRUPT" });
    spoil(channel, TAIL, 16);
    consumer.discard(0);
    using producer = channel.producer();
    assert(producer.trySend(byte(1)));
    assert.deepEqual(drained(consumer), [1]);
  }
});

const SEED = chosenSeed();

Deno.test(`Channel: 2000 corruptions under peers of one process give results or clear errors (seed ${SEED})`, async () => {
  const counts = await fuzzChannels({ corruptions: 2000, seed: SEED });
  // What the test is about did happen
  for (const name of ["ECORRUPT", "ETIMEDOUT", "EFORMAT"]) {
    assert(counts.sum(`error ${name}`) > 0, name);
  }
  assert(counts.sum("message of a lane left alone") > 1000);
  assert(counts.sum("repaired by discard") > 1000);
});

testWith(
  { tools: ["deno"] },
  "Channel: a process ends by itself after these corruptions, not by a signal",
  async () => {
    const program = `
    import { fuzzChannels } from "file://${PROJECT}tests/crash/channel_hostile_fuzz.ts";
    const counts = await fuzzChannels({ corruptions: 5000, seed: ${SEED + 1_000_000} });
    console.log(counts.sum("corruption ") >= 5000);
  `;
    await using peer = Peer.typescript(program, "--allow-ffi");
    const { code, signal, stdout, stderr } = await peer.ended();
    assert.deepEqual([code, signal, stdout, stderr], [0, null, "true\n", ""], `seed ${SEED}`);
  },
);

const C_PEERS = { tools: ["gcc"], files: true } as const;
const folder = missing(C_PEERS) === undefined ? new TestFolder() : undefined;
Deno.test.afterAll(() => folder?.[Symbol.dispose]());
let compiled: string | undefined;
const program = (): string => compiled ??= hostileProgram(folder!, "crash/channel_hostile.c").path;

testWith(C_PEERS, `shm_channel.h: 10 000 corruptions in one process (seed ${SEED})`, async () => {
  const { corrupt, foreign, intact, repaired } = await runC(program(), {
    mode: "fuzz",
    corruptions: 10_000,
    seed: SEED,
  });
  for (const count of [corrupt, foreign, intact, repaired]) assert(count! > 100);
});

testWith(
  C_PEERS,
  `shm_channel.h: 2000 corruptions under three processes (seed ${SEED})`,
  async () => {
    const { corrupt, messages } = await runC(program(), {
      mode: "workers",
      corruptions: 2_000,
      seed: SEED,
    });
    assert(corrupt! > 10 && messages! > 10);
  },
);

for (const pairing of PAIRINGS) {
  const { producer, consumer } = pairing;
  testWith(
    C_PEERS,
    `Channel: ${producer} to ${consumer} while another process writes there 2000 times (seed ${SEED})`,
    async () => {
      const counts = await runPairing(program(), pairing, { corruptions: 2_000, seed: SEED });
      assert(counts.sum("message") > 10);
      assert(counts.sum("error ECORRUPT") + counts.sum("error SHM_CORRUPT") > 0);
    },
  );
}

/** Runs a command that must fail, or not, with one line at most; and never with a stack. */
async function command(code: number, says: RegExp, ...args: readonly string[]): Promise<string> {
  const end = await run(...args);
  assert.deepEqual([end.code, end.signal], [code, null], end.stderr);
  assert.match(end.stderr, says);
  assert.equal(end.stderr.split("\n").length, code === 0 ? 1 : 2, end.stderr);
  return end.stdout;
}

const CLI = { tools: ["deno"] } as const;

testWith(
  CLI,
  "channel: commands at a channel whose header was overwritten print one line each",
  async () => {
    using channel = scratchChannel({ lanes: 2 });
    using segment = Segment.attach(channel.id);
    const key = `${channel.key}`;
    const header = segment.read(0, HEADER.size);
    const fields = HEADER.fields;
    for (
      const [{ offset }, value, says] of [
        [fields.magic, swapped(MAGIC), /EFORMAT.* the byte order differs/],
        [fields.version, 0xffffffff, /EFORMAT.* version differs/],
        [fields.lane_capacity, 0x80000000, /EFORMAT.* lane_capacity differs/],
      ] as const
    ) {
      segment.write(new Uint8Array(Uint32Array.of(value).buffer), offset);
      await command(1, says, "channel", "stat", key);
      await command(1, says, "recv", "--quiet", "--key", key);
      await command(1, says, "send", "--quiet", "--key", key, "hello");
      assert(!(await command(0, /^$/, "channel", "ls", "--json")).includes(`${channel.id},`));
      segment.write(header, 0);
    }
    assert((await command(0, /^$/, "channel", "ls", "--json")).includes(`${channel.id},`));
  },
);

testWith(
  CLI,
  "channel: commands at a channel whose lanes were overwritten print one line each",
  async () => {
    using channel = scratchChannel({ lanes: 1 });
    const key = `${channel.key}`;
    using segment = Segment.attach(channel.id);
    segment.bytes.fill(0xff, HEADER.size);
    spoil(channel, HEAD, 0);
    const stat = JSON.parse(await command(0, /^$/, "channel", "stat", "--json", key));
    assert(stat.bytes <= channel.laneCapacity);
    await command(0, /^$/, "channel", "ls");
    await command(1, /ECORRUPT.* lane 0: its tail is /, "recv", "--quiet", "--key", key);
    await command(1, /ECORRUPT.* lane 0: its head is /, "send", "--quiet", "--key", key, "hello");
    spoil(channel, TAIL, 64);
    await command(1, /ECORRUPT.* lane 0: there is padding at 0/, "recv", "--quiet", "--key", key);
    spoil(channel, TAIL, 0);
  },
);
