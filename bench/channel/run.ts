/**
 * The channel beside its C twin, a Unix socket in Deno and Node's spin over shared memory: medians over
 * rounds in which all take turns, in one run. Prints a table; `--json` the figures.
 *
 *     deno task bench:channel [--rounds 7] [--json]
 */

import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, json: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
const here = new URL(".", import.meta.url).pathname;
const folder = Deno.makeTempDirSync();
const peerC = `${folder}/peer`;
const KEY = 0x5eedbe00;

function must(command: string, ...args: readonly string[]): void {
  const { success, stderr } = new Deno.Command(command, { args: [...args] }).outputSync();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

must("gcc", "-O2", "-std=gnu11", "-o", peerC, `${here}peer.c`);

type Side = readonly string[];
const c: Side = [peerC];
const ts: Side = [Deno.execPath(), "run", "--allow-ffi", `${here}peer.ts`];
const socket: Side = [
  Deno.execPath(),
  "run",
  "-A",
  `${here}socket_peer.ts`,
];

/** What the side that measures prints, while the other one runs. */
async function pair(measuring: Side, other: Side): Promise<Record<string, number>> {
  const [command, ...args] = measuring as [string, ...string[]];
  const [otherCommand, ...otherArgs] = other as [string, ...string[]];
  const second = new Deno.Command(otherCommand, { args: otherArgs, stderr: "inherit" }).spawn();
  const first = await new Deno.Command(command, { args, stderr: "inherit" }).output();
  await second.status;
  return JSON.parse(new TextDecoder().decode(first.stdout));
}

interface Case {
  readonly name: string;
  readonly unit: string;
  readonly run: () => Promise<number>;
}

let sockets = 0;
const COUNTS: Readonly<Record<number, number>> = {
  8: 20_000_000,
  64: 10_000_000,
  1024: 3_000_000,
  65536: 150_000,
};

function throughput(name: string, side: Side, size: number): Case {
  const count = String(COUNTS[size]);
  return {
    name: `${name}, ${size} B`,
    unit: "M msg/s",
    run: async () => {
      const { seconds } = await pair(
        [...side, "recv", String(KEY), String(size), count],
        [...side, "send", String(KEY), String(size), count],
      );
      return Number(count) / seconds! / 1e6;
    },
  };
}

function roundTrip(
  name: string,
  side: Side,
  [ping, pong]: readonly [string, string],
  args: readonly string[],
): Case {
  return {
    name: `round trip, ${name}`,
    unit: "us, median",
    run: async () => (await pair([...side, ping, ...args], [...side, pong, ...args])).p50!,
  };
}

function socketRoundTrip(name: string, count: string, pause: string): Case {
  return {
    name: `round trip, ${name}`,
    unit: "us, median",
    run: () => {
      const path = `${folder}/${sockets++}`;
      return roundTrip(name, socket, ["ping", "pong"], [path, count, pause]).run();
    },
  };
}

/** Node with shm-typed-array, which has to be built; `undefined` where that does not work. */
function installNodeSpin(): Side | undefined {
  try {
    must("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "shm-typed-array@0.1.1");
    const library = `${folder}/node_modules/shm-typed-array`;
    must("node", "-e", `require(${JSON.stringify(library)})`);
    return ["node", `${here}spin_peer.cjs`, library];
  } catch (error) {
    console.error(`not run: Node's spin (${(error as Error).message.trim().split("\n")[0]})`);
    return undefined;
  }
}

const nodeSpin = installNodeSpin();
const SOCKET_MESSAGES = 200_000;
const cases: readonly Case[] = [
  ...[8, 64, 1024, 65536].flatMap((size) => [
    throughput("TypeScript", ts, size),
    throughput("C", c, size),
  ]),
  {
    name: "Unix socket in Deno, 64 B",
    unit: "M msg/s",
    run: async () => {
      const path = `${folder}/${sockets++}`;
      const { seconds } = await pair(
        [...socket, "recv", path, "64", String(SOCKET_MESSAGES)],
        [...socket, "send", path, "64", String(SOCKET_MESSAGES)],
      );
      return SOCKET_MESSAGES / seconds! / 1e6;
    },
  },
  roundTrip("TypeScript, spinning", ts, ["ping", "pong"], [String(KEY), "300000"]),
  roundTrip("C, spinning", c, ["ping", "pong"], [String(KEY), "300000"]),
  ...(nodeSpin === undefined ? [] : [
    roundTrip("Node, bare words, spinning", nodeSpin, ["ping", "pong"], [String(KEY), "300000"]),
  ]),
  roundTrip("TypeScript, promises", ts, ["await-ping", "await-pong"], [String(KEY), "200000"]),
  socketRoundTrip("Unix socket in Deno", "5000", "0"),
  roundTrip("TypeScript, woken", ts, ["await-ping", "await-pong"], [String(KEY), "300", "5"]),
  socketRoundTrip("Unix socket in Deno, woken", "300", "5"),
  {
    name: "idle consumer",
    unit: "share of a core",
    run: async () => (await pair([...ts, "idle", String(KEY), "2"], ["true"])).share!,
  },
];

const figures = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
try {
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of cases) {
      if (Deno.stderr.isTerminal()) console.error(`round ${round + 1} of ${rounds}: ${name}`);
      figures.get(name)!.push(await run());
    }
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[list.length >> 1]!;
if (values.json) {
  console.log(JSON.stringify(Object.fromEntries(figures)));
} else {
  for (const { name, unit } of cases) {
    const list = figures.get(name)!;
    const [least, most] = [Math.min(...list), Math.max(...list)].map((n) => n.toPrecision(3));
    const figure = median(list).toPrecision(3);
    console.log(`${name.padEnd(36)}${figure.padStart(9)} ${unit.padEnd(16)} ${least} to ${most}`);
  }
}
