/** `bench/cases.ts`: which cases there are, and how lines become figures. Nothing is started. */

import assert from "node:assert/strict";
import { type Case, Cases, FULL, QUICK, type Scale } from "../../bench/cases.ts";
import { nameOf, PEERS } from "../../bench/peers.ts";
import type { Line, Processes, Start } from "../../bench/processes.ts";
import type { Programs } from "../../bench/programs.ts";
import { MEASURES } from "../../bench/result.ts";
import { casesOfTarget, TARGETS } from "../../bench/targets.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { madeUpResult } from "./made_up_result.ts";

const SCALE: Scale = { ...QUICK, sizes: [8, 1024, 65536], seconds: 2 };
const FIRST_KEY = 0x5e000000;

/** What is asked of the real ones, where nothing is compiled or installed. */
class MadeUpPrograms {
  readonly env = {};
  readonly namespace = ["apart"];

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
  { programs = new MadeUpPrograms(), processes = new MadeUpProcesses(), scale = SCALE } = {},
): ReturnType<Cases["all"]> {
  return new Cases({
    programs: programs as unknown as Programs,
    processes: processes as unknown as Processes,
    machine: madeUpResult([]).machine,
    scale,
    folder: folder.path,
    firstKey: FIRST_KEY,
  }).all();
}

function names(cases: readonly Case[]): string[] {
  return cases.flatMap((one) => one.names);
}

function find(cases: readonly Case[], name: string): Case {
  const found = cases.find((one) => one.names.includes(name));
  assert(found !== undefined, name);
  return found;
}

const needs = { files: true } as const;

testWith(
  needs,
  "cases: every measure has cases, every case a name of its own, and every peer one",
  () => {
    using folder = new TestFolder();
    const { cases, notRun } = build(folder);
    assert.deepEqual(notRun, []);
    const all = names(cases);
    const measures = new Set(all.map((name) => name.split("/")[0]));
    assert.deepEqual([...measures].sort(), Object.keys(MEASURES).sort());
    assert.equal(new Set(all).size, all.length);
    const unnamed = all.filter((name) => {
      const [measure, peer] = name.split("/") as [string, string];
      return measure !== "fields" && nameOf(peer) === peer;
    });
    assert.deepEqual(unnamed, []);
  },
);

testWith(needs, "cases: a full run has every case that a target compares", () => {
  using folder = new TestFolder();
  const all = names(build(folder, { scale: FULL }).cases);
  const wanted = TARGETS.flatMap((target) => casesOfTarget(target));
  assert.deepEqual(wanted.filter((name) => !all.includes(name)), []);
});

testWith(
  needs,
  "cases: a peer without its program is named once, with the reason, and has no case",
  () => {
    using folder = new TestFolder();
    const programs = new MadeUpPrograms({
      "channel.c": "no gcc",
      "lifecycle.c": "no gcc",
      "node_lifecycle.cjs": "no node",
      "deny.c": "no seccomp",
    });
    const { cases, notRun } = build(folder, { programs });
    const without = PEERS.filter(({ throughput = [] }) =>
      throughput.some((side) => side?.[0] === "channel.c")
    ).map(({ id }) => id);
    assert.deepEqual(notRun, [
      ...without.map((peer) => ({ peer, reason: "no gcc" })),
      { peer: "io_uring denied", reason: "no seccomp" },
      { peer: "c", reason: "no gcc" },
      { peer: "node", reason: "no node" },
    ]);
    const gone = names(cases).filter((name) =>
      [...without, "c", "node"].includes(name.split("/")[1]!) || name.endsWith("/no-io_uring")
    );
    assert.deepEqual(gone, []);
  },
);

testWith(
  needs,
  "cases: a throughput is the receiver's, and sets how many are sent in the next round",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(() => [
      { role: "send", messages: 9999, seconds: 1, cpuSeconds: 1, rssBytes: 5 },
      { role: "recv", messages: 3000, seconds: 2, cpuSeconds: 3, rssBytes: 7 },
    ]);
    const scale = { ...SCALE, sizes: [8, 64] };
    const { cases } = build(folder, { processes, scale });
    const one = find(cases, "throughput/deno-unix/8");
    // About 200 000 a second are expected at first, for 2 seconds
    assert.deepEqual(await one.run(), { "throughput/deno-unix/8": { figure: 1500 } });
    await one.run();
    const [first, second] = processes.started.map((starts) =>
      starts.map(({ command, cores }) => [command[1], ...command.slice(3), cores])
    );
    assert.deepEqual(first, [
      ["recv", "8", "400000", "80000", "0", "-", [0]],
      ["send", "8", "400000", "80000", "0", "-", [1]],
    ]);
    assert.deepEqual(second!.map((part) => part.slice(1, 4)), [
      // At least a quarter of the first
      ["8", "100000", "20000"],
      ["8", "100000", "20000"],
    ]);
    // What both sides cost is kept of messages of 64 B
    assert.deepEqual(await find(cases, "throughput/deno-unix/64").run(), {
      "throughput/deno-unix/64": {
        figure: 1500,
        beside: { cpuSecondsPerMillion: 10, rssBytes: 12 },
      },
    });
  },
);

testWith(needs, "cases: a side that tells nothing makes the round fail", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses(() => [{ role: "send", messages: 1, seconds: 1 }]);
  const one = find(build(folder, { processes }).cases, "throughput/deno-unix/8");
  await assert.rejects(one.run(), { message: "no side told what it measured as recv" });
});

/** Three round trips, in the file of the samples. */
function answerTrips(starts: readonly Start[]): Line[] {
  const samples = starts.at(-1)!.command.at(-1)!;
  Deno.writeFileSync(samples, new Uint8Array(Float64Array.of(900, 100, 300).buffer));
  return [{ role: "ping", cpuSeconds: 0 }];
}

testWith(needs, "cases: a round trip is the median of the times in the samples' file", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses(answerTrips);
  const name = "wake/deno-unix/unpinned";
  const { [name]: round } = await find(build(folder, { processes }).cases, name).run();
  assert(typeof round === "object");
  assert.equal(round.figure, 300);
  assert.deepEqual([...round.times!], [900, 100, 300]);
});

testWith(needs, "cases: a round trip runs where its name says", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses(answerTrips);
  const { cases } = build(folder, { processes });
  const places = async (name: string): Promise<[cores: unknown, program: string][]> => {
    await find(cases, name).run();
    return processes.started.at(-1)!.map(({ cores, command }) => [cores, command[0]!]);
  };
  assert.deepEqual(await places("roundTrip/channel-await/unpinned"), [
    [[], "channel.ts"],
    [[], "channel.ts"],
  ]);
  for (const name of ["roundTrip/channel-await/pinned", "roundTrip/channel-ts-ts/spinning"]) {
    assert.deepEqual(await places(name), [[[0], "channel.ts"], [[1], "channel.ts"]], name);
  }
  assert.deepEqual(await places("wake/mailbox-await/no-io_uring"), [
    [[], "deny.c"],
    [[], "deny.c"],
  ]);
});

testWith(
  needs,
  "cases: opening and leaving is apart from all others, with so many segments",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(() => [
      { role: "costs", figures: { mailboxJoin: 7 }, notRun: { create: "no room" } },
    ]);
    const one = find(build(folder, { processes }).cases, "lifecycle/ts/mailboxJoin+100");
    assert.deepEqual(await one.run(), {
      "lifecycle/ts/mailboxJoin+100": { figure: 7 },
      "lifecycle/ts/create+100": "no room",
    });
    const { command } = processes.started[0]![0]!;
    assert.deepEqual(command.slice(0, 2), ["apart", "lifecycle.ts"]);
    assert.deepEqual(command.slice(3, 5), [String(SCALE.lifecycles), "100"]);
  },
);

testWith(
  needs,
  "cases: clients meet their server at one address, which says how many they are",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(() => [{ role: "recv", messages: 12, seconds: 2 }]);
    const name = "clients/mailbox-await/6";
    assert.deepEqual(await find(build(folder, { processes }).cases, name).run(), {
      [name]: { figure: 6 },
    });
    const roles = processes.started[0]!.map(({ command }) => command[1]);
    assert.deepEqual(roles, ["recv", ...Array(6).fill("send")]);
    const addresses = new Set(processes.started[0]!.map(({ command }) => command[2]!));
    assert.equal(addresses.size, 1);
    assert.match([...addresses][0]!, /^\d+\/6$/);
  },
);

testWith(needs, "cases: all that idle wait at once", async () => {
  using folder = new TestFolder();
  const processes = new MadeUpProcesses(() => [{ role: "idle", cpuSeconds: 1, seconds: 4 }]);
  const one = find(build(folder, { processes }).cases, "idle/mailbox-await/unpinned");
  assert.equal(one.most, SCALE.idleRounds);
  const rounds = await one.run();
  assert.deepEqual(Object.keys(rounds), one.names);
  assert.deepEqual(rounds["idle/channel-await/no-io_uring"], { figure: 0.25 });
});

testWith(
  needs,
  "cases: no two processes of two turns meet at one address, and keys leave room for a second",
  async () => {
    using folder = new TestFolder();
    const processes = new MadeUpProcesses(answerTrips);
    const one = find(build(folder, { processes }).cases, "roundTrip/mailbox-await/pinned");
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
