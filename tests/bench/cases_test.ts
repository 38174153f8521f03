/** `bench/cases.ts`: which cases there are, and how lines become figures. Nothing is started. */

import assert from "node:assert/strict";
import { type Case, Cases, peerNames, QUICK, type Scale } from "../../bench/cases.ts";
import { PEERS } from "../../bench/peers.ts";
import type { Line, Processes, Start } from "../../bench/processes.ts";
import type { Programs } from "../../bench/programs.ts";
import { caseName, MEASURES } from "../../bench/result.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { madeUpResult } from "./made_up_result.ts";

const SCALE: Scale = { ...QUICK, sizes: [8, 1024, 65536], seconds: 2 };
const FIRST_KEY = 0x5e000000;

/** What is asked of the real ones, where nothing is compiled or installed. */
class MadeUpPrograms {
  readonly env = {};

  constructor(readonly missing: Readonly<Record<string, string>> = {}) {}

  reasonAgainst(program: string): string | undefined {
    return this.missing[program];
  }

  command(program: string): string[] {
    return [program];
  }
}

/** Answers each case with these lines, and keeps what was to be started. */
class MadeUpProcesses {
  readonly started: Start[][] = [];

  constructor(readonly answer: (starts: readonly Start[]) => Line[] = () => []) {}

  together(starts: readonly Start[]): Promise<Line[]> {
    this.started.push([...starts]);
    return Promise.resolve(this.answer(starts));
  }
}

function build(
  folder: TestFolder,
  { programs = new MadeUpPrograms(), processes = new MadeUpProcesses() } = {},
): ReturnType<Cases["all"]> {
  return new Cases({
    programs: programs as unknown as Programs,
    processes: processes as unknown as Processes,
    machine: madeUpResult([]).machine,
    scale: SCALE,
    folder: folder.path,
    firstKey: FIRST_KEY,
  }).all();
}

function names(cases: readonly Case[]): string[] {
  return cases.flatMap((one) => one.variants.map((variant) => caseName({ ...one, variant })));
}

function find(cases: readonly Case[], name: string): Case {
  const found = cases.find((one) => names([one]).includes(name));
  assert(found !== undefined, name);
  return found;
}

const needs = { files: true } as const;

testWith(
  needs,
  "every measure has cases, every case a name of its own, every peer one for people",
  () => {
    using folder = new TestFolder();
    const { cases, notRun } = build(folder);
    assert.deepEqual(notRun, []);
    const measures = new Set(cases.map(({ measure }) => measure));
    assert.deepEqual([...measures].sort(), Object.keys(MEASURES).sort());
    assert.equal(new Set(names(cases)).size, names(cases).length);
    const known = peerNames();
    assert.deepEqual(cases.filter(({ peer }) => known[peer] === undefined), []);
  },
);

testWith(needs, "nobody is asked to carry more than it can", () => {
  using folder = new TestFolder();
  const { cases } = build(folder);
  const sizes = (peer: string): string[] =>
    cases.filter((one) => one.measure === "throughput" && one.peer === peer)
      .flatMap(({ variants }) => variants);
  assert.deepEqual(sizes("mailbox"), ["8", "1024"]);
  assert.deepEqual(sizes("deno-unix"), ["8", "1024", "65536"]);
});

testWith(needs, "whoever lacks a program is named once, with the reason, and has no case", () => {
  using folder = new TestFolder();
  const programs = new MadeUpPrograms({ "channel.c": "no gcc", "node_lifecycle.cjs": "no node" });
  const { cases, notRun } = build(folder, { programs });
  const without = PEERS.filter(({ throughput = [] }) =>
    throughput.some((side) => side?.[0] === "channel.c")
  ).map(({ id }) => id);
  assert.deepEqual(notRun, [
    ...without.map((peer) => ({ peer, reason: "no gcc" })),
    { peer: "node", reason: "no node" },
  ]);
  assert.deepEqual(cases.filter(({ peer }) => [...without, "node"].includes(peer)), []);
});

testWith(
  needs,
  "a throughput is the receiver's, and sets how many are sent in the next round",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(() => [
      { role: "send", messages: 9999, seconds: 1, cpuSeconds: 1, rssBytes: 5 },
      { role: "recv", messages: 3000, seconds: 2, cpuSeconds: 3, rssBytes: 7 },
    ]);
    const one = find(build(folder, { processes }).cases, "throughput/deno-unix/8");
    const { 8: round } = await one.run();
    // About 200 000 a second are expected at first, for 2 seconds
    assert.deepEqual(round, {
      figure: 1500,
      beside: { cpuSecondsPerMillion: 10, rssBytes: 12 },
    });
    await one.run();
    const [first, second] = processes.started.map((starts) =>
      starts.map(({ command, cores }) => [command[1], ...command.slice(3), cores])
    );
    assert.deepEqual(first, [
      ["recv", "8", "400000", "80000", "0", "-", [0]],
      ["send", "8", "400000", "80000", "0", "-", [1]],
    ]);
    assert.deepEqual(second!.map((part) => part.slice(1, 4)), [
      ["8", "3000", "600"],
      ["8", "3000", "600"],
    ]);
  },
);

testWith(needs, "a side that tells nothing makes the round fail", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses(() => [{ role: "send", messages: 1, seconds: 1 }]);
  const one = find(build(folder, { processes }).cases, "throughput/deno-unix/8");
  await assert.rejects(one.run(), { message: "no side told what it measured as recv" });
});

testWith(needs, "a round trip is the median of the times in the samples' file", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses((starts) => {
    const samples = starts.at(-1)!.command.at(-1)!;
    Deno.writeFileSync(samples, new Uint8Array(Float64Array.of(900, 100, 300).buffer));
    return [{ role: "ping", cpuSeconds: 0 }];
  });
  const { 64: round } = await find(build(folder, { processes }).cases, "wake/deno-unix/64").run();
  assert(typeof round === "object");
  assert.equal(round.figure, 300);
  assert.deepEqual([...round.times!], [900, 100, 300]);
});

testWith(
  needs,
  "no two processes of two turns meet at one address, and keys leave room for a second",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(() => [{ role: "recv", messages: 1, seconds: 1 }]);
    const one = find(build(folder, { processes }).cases, "throughput/mailbox/8");
    await one.run();
    await one.run();
    const [a, b] = processes.started.map((starts) => {
      const addresses = new Set(starts.map(({ command }) => command[2]));
      assert.equal(addresses.size, 1);
      return Number([...addresses][0]);
    });
    assert(a! >= FIRST_KEY && b! - a! >= 2, `${a}, ${b}`);
  },
);
