/**
 * `bench/peers.ts` and the programs of `bench/peers/`: each pair that needs only Deno, gcc and Node itself
 * carries messages. Those with a package from npm are left to the bench: a test downloads nothing.
 */

import assert from "node:assert/strict";
import { BRIDGED } from "../../bench/cases.ts";
import { type AddressKind, nameOf, peerKind, PEERS, type Sides } from "../../bench/peers.ts";
import { type Line, Processes, type Start } from "../../bench/processes.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const HERE = `${PROJECT}bench/peers/`;
const SAFETY_MS = 60_000;
/**
 * More bytes than a lane, a pipe or one read holds. What comes together with the end of the warm-up does
 * not count, so with fewer a receiver could rightly count nothing.
 */
const SENT = [8192, 300] as const;
const SENT_SMALL = [64, 20_000] as const;
const TRIPS = [64, 20] as const;
const WARM = 10;
const FROM_NPM = ["node_shm.cjs", "node_zeromq.cjs"];

/** The programs in C, each compiled once. */
const compiled = new Map<string, string>();
let folderOfCompiled: TestFolder | undefined;
Deno.test.afterAll(() => folderOfCompiled?.[Symbol.dispose]());

function compile(program: string): string {
  const there = compiled.get(program);
  if (there !== undefined) return there;
  folderOfCompiled ??= new TestFolder();
  const flags = ["-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", HERE + program];
  const path = folderOfCompiled.compile("gcc", program.replace(".c", ""), flags);
  compiled.set(program, path);
  return path;
}

function command(program: string): string[] {
  if (program.endsWith(".ts")) return [Deno.execPath(), "run", "-A", HERE + program];
  return program.endsWith(".cjs") ? ["node", HERE + program] : [compile(program)];
}

function address(kind: AddressKind, path: string): string {
  switch (kind) {
    case "key":
      return String(freshKey());
    case "lanes":
      return `${freshKey()}/1`;
    case "path":
      return path;
    case "unix":
      return `unix:${path}`;
    case "tcp":
      return `tcp:${freePort()}`;
    case "none":
      return "-";
  }
}

/** A port that nothing listens on just now, found by a process that may ask for one. */
function freePort(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "using all = Deno.listen({ hostname: '127.0.0.1', port: 0 }); console.log(all.addr.port)",
    ],
  }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

async function play(
  kind: AddressKind,
  sides: Sides,
  [size, count]: readonly [size: number, count: number],
  samples: string,
): Promise<Line[]> {
  const at = address(kind, `${samples}.address`);
  const amounts = [size, count, WARM, 0].map(String);
  const starts = sides.filter((side) => side !== undefined).map(([program, role]): Start => ({
    command: [...command(program), role, at, ...amounts, samples],
  }));
  return await new Processes().together(starts, SAFETY_MS);
}

/** What a pair does that carries messages in one direction. */
async function sends(
  kind: AddressKind,
  sides: Sides,
  amount: readonly [size: number, count: number] = SENT,
): Promise<void> {
  using folder = new TestFolder();
  const [, count] = amount;
  const lines = await play(kind, sides, amount, `${folder.path}/samples`);
  const received = lines.filter(({ role }) => role.startsWith("recv"));
  assert.equal(received.length, 1, JSON.stringify(lines));
  const { messages, seconds, cpuSeconds, rssBytes } = received[0]!;
  assert(messages! > 0 && seconds! >= 0 && cpuSeconds! >= 0 && rssBytes! > 0, `${messages}`);
  const sent = lines.find(({ role }) => role.startsWith("send"));
  // Both sides in one process print one line, and send in windows
  if (sent !== undefined) assert.deepEqual([sent.messages, messages! <= count], [count, true]);
}

/** What a pair does that answers messages. */
async function answers(kind: AddressKind, sides: Sides): Promise<void> {
  using folder = new TestFolder();
  const samples = `${folder.path}/samples`;
  const lines = await play(kind, sides, TRIPS, samples);
  const [, count] = TRIPS;
  assert(lines.some(({ role, messages }) => role.startsWith("ping") && messages === count));
  const times = new Float64Array(Deno.readFileSync(samples).buffer);
  assert.equal(times.length, count);
  assert(times.every((time) => time > 0));
}

function toolsOf(sides: Sides): string[] {
  return [
    ...new Set(sides.flatMap((side) => {
      if (side === undefined) return [];
      return side[0].endsWith(".ts") ? "deno" : side[0].endsWith(".c") ? "gcc" : "node";
    })),
  ];
}

for (const { id, address: kind, throughput, spinning, sleeping } of PEERS) {
  const all = [throughput, spinning, sleeping].flatMap((sides) => sides ?? []);
  if (all.some((side) => side !== undefined && FROM_NPM.includes(side[0]))) continue;
  if (throughput !== undefined) {
    const needs = { tools: toolsOf(throughput), files: true };
    testWith(needs, `peers: ${id}: what is sent arrives`, () => sends(kind, throughput));
  }
  const trips = spinning ?? sleeping;
  if (trips !== undefined) {
    const needs = { tools: toolsOf(trips), files: true };
    testWith(needs, `peers: ${id}: each round trip has its time`, () => answers(kind, trips));
  }
}

for (const id of ["channel-ts-ts", "channel-c-c"]) {
  for (const role of ["send-distinct", "send-varying", "send-text"]) {
    const [receiver, [program]] = peerKind(id)!.throughput!;
    const sides: Sides = [receiver, [program, role]];
    const needs = { tools: toolsOf(sides), files: true };
    testWith(
      needs,
      `peers: ${id}: what is sent by ${role} arrives`,
      () => sends("lanes", sides, SENT_SMALL),
    );
  }
}

testWith(
  { tools: ["deno"], files: true },
  "peers: mailbox: all clients' messages arrive",
  async () => {
    const start = (role: string): Start => ({
      command: [...command("mailbox.ts"), role, at, ...["64", "20", "5", "0", "-"]],
    });
    const at = `${freshKey()}/2`;
    const lines = await new Processes().together(["recv", "send", "send"].map(start), SAFETY_MS);
    const all = lines.map(({ role, messages }) => `${role} ${messages}`).sort();
    assert.deepEqual(all, ["recv 40", "send 20", "send 20"]);
  },
);

for (const program of ["lifecycle.ts", "lifecycle.c"]) {
  const needs = { tools: toolsOf([undefined, [program, ""]]), files: true };
  testWith(
    needs,
    `peers: ${program}: each cost is told, and the other segments are removed`,
    async () => {
      const args = [freshKey(), 5, 3, freshKey()].map(String);
      const start = { command: [...command(program), ...args] };
      const [line] = await new Processes().together([start], SAFETY_MS);
      const told = Object.entries(line!.figures!);
      const costs = ["create", "attach", "channelNew", "channelJoin", "mailboxJoin"];
      assert.deepEqual(told.map(([what]) => what), costs);
      assert(told.every(([, figure]) => figure > 0));
    },
  );
}

testWith(
  { files: true, loopback: true },
  "peers: bridge.ts: each rate is told, or why there is none, and nothing is left",
  async () => {
    using folder = new TestFolder();
    const args = [`${freshKey()}`, "100", folder.path];
    const deno = [Deno.execPath(), "run", "-A", "--cached-only"];
    const start = { command: [...deno, `${HERE}bridge.ts`, ...args] };
    const [line] = await new Processes().together([start], SAFETY_MS);
    const { figures = {}, notRun = {} } = line!;
    const told = [...Object.keys(figures), ...Object.keys(notRun)];
    assert.deepEqual(told.sort(), BRIDGED.toSorted());
    // The server may be missing here, and its client in Deno's cache
    assert(Object.keys(notRun).every((what) => !/re(cord|play)/.test(what)));
    assert(Object.values(figures).every((figure) => figure > 0));
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  },
);

testWith(
  { tools: ["gcc", "grep"], files: true },
  "peers: deny: the command runs behind a filter of system calls",
  () => {
    const { stdout } = new Deno.Command(compile("deny.c"), {
      args: [
        "EPERM",
        "io_uring_setup",
        "grep",
        "-E",
        "^(NoNewPrivs|Seccomp):",
        "/proc/self/status",
      ],
    }).outputSync();
    assert.equal(new TextDecoder().decode(stdout), "NoNewPrivs:\t1\nSeccomp:\t2\n");
  },
);

Deno.test("peers: every peer has a name and an id of its own, and one of the measures", () => {
  assert.equal(new Set(PEERS.map(({ id }) => id)).size, PEERS.length);
  assert.equal(new Set(PEERS.map(({ name }) => name)).size, PEERS.length);
  for (const { id, name, throughput, spinning, sleeping } of PEERS) {
    assert(throughput ?? spinning ?? sleeping, id);
    assert.equal(nameOf(id), name);
  }
  assert.equal(nameOf("cli"), "cli.ts");
});
