/**
 * `bench/peers.ts` and the programs of `bench/peers/`: each pair that needs only Deno, gcc and Node itself
 * carries messages. Those with a package from npm are left to the bench: a test downloads nothing.
 */

import assert from "node:assert/strict";
import { type PeerKind, PEERS, type Side } from "../../bench/peers.ts";
import { type Line, Processes, type Start } from "../../bench/processes.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const HERE = `${PROJECT}bench/peers/`;
const SAFETY_MS = 60_000;
/** A small amount to send. */
interface Amount {
  readonly size: number;
  readonly count: number;
}

/**
 * More bytes than a lane, a pipe or one read holds. What comes together with the end of the warm-up does
 * not count, so with fewer a receiver could rightly count nothing.
 */
const SENT: Amount = { size: 8192, count: 500 };
const TRIPS: Amount = { size: 64, count: 50 };
const WARM = 10;
const FROM_NPM = ["node_shm.cjs", "node_zeromq.cjs"];

/** The command of a program, compiled first if it is C. */
function command(program: string, folder: TestFolder): string[] {
  if (program.endsWith(".ts")) return [Deno.execPath(), "run", "-A", HERE + program];
  if (program.endsWith(".cjs")) return ["node", HERE + program];
  const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"];
  return [folder.compile("gcc", program.replace(".c", ""), [...flags, HERE + program])];
}

function address(kind: PeerKind, folder: TestFolder): string {
  switch (kind.address) {
    case "key":
      return String(freshKey());
    case "lanes":
      return `${freshKey()}/1`;
    case "path":
      return `${folder.path}/address`;
    case "unix":
      return `unix:${folder.path}/address`;
    case "tcp":
      return `tcp:${freePort()}`;
    case "none":
      return "-";
  }
}

/** A port nobody listens on just now, found by a process that may ask for one. */
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
  kind: PeerKind,
  sides: readonly (Side | undefined)[],
  { size, count }: Amount,
  samples: string,
  folder: TestFolder,
): Promise<Line[]> {
  const at = address(kind, folder);
  const starts = sides.filter((side) => side !== undefined).map(([program, role]): Start => ({
    command: [
      ...command(program, folder),
      role,
      at,
      ...[size, count, WARM, 0].map(String),
      samples,
    ],
  }));
  return await new Processes().together(starts, SAFETY_MS);
}

function toolsOf(sides: readonly (Side | undefined)[]): string[] {
  const programs = sides.flatMap((side) => side === undefined ? [] : [side[0]]);
  const tool = (program: string): string =>
    program.endsWith(".ts") ? "deno" : program.endsWith(".c") ? "gcc" : "node";
  return [...new Set(programs.map(tool))];
}

for (const kind of PEERS) {
  const all = [kind.throughput, kind.roundTrip].flatMap((pair) => pair ?? []);
  if (all.some((side) => side !== undefined && FROM_NPM.includes(side[0]))) continue;
  const needs = { tools: toolsOf(all), files: true };

  if (kind.throughput !== undefined) {
    const sides = kind.throughput;
    testWith(needs, `${kind.id}: what is sent arrives`, async () => {
      using folder = new TestFolder();
      const amount = { ...SENT, size: Math.min(kind.most, SENT.size) };
      const lines = await play(kind, sides, amount, "-", folder);
      const of = (role: string): Line => {
        const found = lines.filter((line) => line.role.startsWith(role));
        assert.equal(found.length, 1, JSON.stringify(lines));
        return found[0]!;
      };
      const received = of("recv");
      assert(received.messages! > 0, JSON.stringify(received));
      // A Worker is sent whole windows, and the one line is for both sides
      if (!kind.oneProcess) {
        assert(received.messages! <= amount.count, JSON.stringify(received));
        assert.equal(of("send").messages, amount.count);
      }
      assert(received.seconds! >= 0 && received.cpuSeconds! >= 0 && received.rssBytes! > 0);
    });
  }
  if (kind.roundTrip !== undefined) {
    const sides = kind.roundTrip;
    testWith(needs, `${kind.id}: each round trip has its time`, async () => {
      using folder = new TestFolder();
      const samples = `${folder.path}/samples`;
      const lines = await play(kind, sides, TRIPS, samples, folder);
      assert(
        lines.some(({ role, messages }) => role.startsWith("ping") && messages === TRIPS.count),
      );
      const times = new Float64Array(Deno.readFileSync(samples).buffer);
      assert.equal(times.length, TRIPS.count);
      assert(times.every((time) => time > 0));
    });
  }
}

Deno.test("every peer has a name and an id of its own, and one of the three measures", () => {
  assert.equal(new Set(PEERS.map(({ id }) => id)).size, PEERS.length);
  assert.equal(new Set(PEERS.map(({ name }) => name)).size, PEERS.length);
  for (const { id, throughput, roundTrip, wake } of PEERS) {
    assert(throughput ?? roundTrip ?? wake, id);
  }
});
