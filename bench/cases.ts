/** What is run: every measure of every peer, and how a round of it becomes a figure. */

import { OTHER_NAMES, type PeerKind, PEERS, type Side } from "./peers.ts";
import type { Line, Processes, Start } from "./processes.ts";
import type { Programs } from "./programs.ts";
import type { Machine, Measure } from "./result.ts";
import { median } from "./statistics.ts";

const PROJECT = new URL("..", import.meta.url).pathname;
/** A case that takes longer has failed. */
const TIMEOUT_MS = 30_000;
const ROUND_TRIP_BYTES = 64;
const WAKE_PAUSE_MS = 3;
/** Wakes before those that count: a program that sleeps now and then has done so before. */
const WAKES_BEFORE = 50;
const IDLE_MS = 1_000;
/** From here on rings and buffers are passed through a few times before it counts. */
const LARGE = 1 << 20;

/** How large a run is. */
export interface Scale {
  readonly sizes: readonly number[];
  /** Seconds that a throughput or a round trip is measured in one round. */
  readonly seconds: number;
  readonly wakes: number;
  readonly producers: readonly number[];
  readonly allocations: number;
  readonly starts: number;
  readonly lifecycles: number;
  readonly fieldsMs: number;
}

/** A run that means something. */
export const FULL: Scale = {
  sizes: [8, 64, 1024, 8192, 65536, 1 << 20, 1 << 24],
  seconds: 0.25,
  wakes: 100,
  producers: [1, 2, 4, 8],
  allocations: 10_000_000,
  starts: 3,
  lifecycles: 300,
  fieldsMs: 600,
};

/** A run that shows that all of it works. */
export const QUICK: Scale = {
  sizes: [64, 65536],
  seconds: 0.05,
  wakes: 25,
  producers: [1, 4],
  allocations: 1_000_000,
  starts: 1,
  lifecycles: 50,
  fieldsMs: 100,
};

/** One round of one case. */
export interface Round {
  readonly figure: number;
  readonly beside: Readonly<Record<string, number>>;
  /** Round trips, for the percentiles. */
  readonly times?: Float64Array;
}

/** A measure of a peer. Some processes give figures of several cases at once: `variant` tells which. */
export interface Case {
  readonly measure: Measure;
  readonly peer: string;
  readonly variants: readonly string[];
  /** A round of each variant it has a figure for, or why there is none. */
  run(): Promise<Readonly<Record<string, Round | string>>>;
}

/** What cases need. */
export interface Setting {
  readonly programs: Programs;
  readonly processes: Processes;
  readonly machine: Machine;
  readonly scale: Scale;
  readonly folder: string;
  /** The first of the keys that are ours. */
  readonly firstKey: number;
}

/** Sums a field over the lines of a case. */
function total(lines: readonly Line[], field: "cpuSeconds" | "rssBytes"): number {
  return lines.reduce((sum, line) => sum + (line[field] ?? 0), 0);
}

function lineOf(lines: readonly Line[], role: string): Line {
  const line = lines.find((one) => one.role.startsWith(role));
  if (line === undefined) throw new Error(`no side told what it measured as ${role}`);
  return line;
}

/** Builds the cases of a run. */
export class Cases {
  readonly #setting: Setting;
  #addresses = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** All that can be run, and what cannot. */
  all(): { readonly cases: Case[]; readonly notRun: { peer: string; reason: string }[] } {
    const notRun: { peer: string; reason: string }[] = [];
    const cases: Case[] = [];
    const { programs, scale } = this.#setting;
    const add = (peer: string, needed: readonly string[], make: () => Case[]): void => {
      const reason = needed.map((program) => programs.reasonAgainst(program))
        .find((one) => one !== undefined);
      if (reason === undefined) cases.push(...make());
      else if (!notRun.some((one) => one.peer === peer)) notRun.push({ peer, reason });
    };
    for (const kind of PEERS) {
      const sides = [kind.throughput, kind.roundTrip, kind.wake].flatMap((pair) => pair ?? []);
      const needed = sides.flatMap((side) => side === undefined ? [] : [side[0]]);
      add(kind.id, needed, () => this.#ofPeer(kind));
    }
    for (
      const [peer, program] of [
        ["channel-ts-ts", "channel.ts"],
        ["channel-c-c", "channel.c"],
      ] as const
    ) {
      add(peer, [program], () => scale.producers.map((n) => this.#producers(peer, program, n)));
    }
    cases.push(
      this.#idle("channel-await", "channel.ts", "lanes"),
      this.#idle("mailbox", "mailbox.ts", "key"),
      this.#idle("deno-unix", "socket.ts", "unix"),
      this.#allocation(),
      ...this.#startUps(),
    );
    for (
      const [peer, program] of [
        ["ts", "lifecycle.ts"],
        ["c", "lifecycle.c"],
        ["node", "node_lifecycle.cjs"],
      ] as const
    ) {
      add(peer, [program], () => [this.#lifecycle(peer, program)]);
    }
    cases.push(this.#fields());
    return { cases, notRun };
  }

  #ofPeer(kind: PeerKind): Case[] {
    const { scale } = this.#setting;
    const sizes = scale.sizes.filter((size) => size <= kind.most);
    return [
      ...(kind.throughput === undefined ? [] : sizes.map((size) => this.#throughput(kind, size))),
      ...(kind.roundTrip === undefined ? [] : [this.#roundTrip(kind)]),
      ...(kind.wake === undefined ? [] : [this.#wake(kind)]),
    ];
  }

  /** An address nobody has used. Round trips over keys use the next one too. */
  #address(kind: PeerKind["address"], lanes = 1): string {
    const n = this.#addresses++;
    const key = this.#setting.firstKey + 2 * n;
    const path = `${this.#setting.folder}/${n}`;
    if (kind === "key") return String(key);
    if (kind === "lanes") return `${key}/${lanes}`;
    if (kind === "unix") return `unix:${path}`;
    if (kind === "path") return path;
    return kind === "tcp" ? `tcp:${freePort()}` : "-";
  }

  /** The processes of a pair, each side on its core. */
  #starts(
    kind: PeerKind,
    [first, second]: readonly [Side | undefined, Side],
    args: readonly string[],
  ): Start[] {
    const { programs, machine: { pinned } } = this.#setting;
    const [firstCore, secondCore] = pinned;
    const address = this.#address(kind.address);
    const start = ([program, role]: Side, cores: readonly number[]): Start => ({
      command: [...programs.command(program), role, address, ...args],
      cores,
      env: {
        ...programs.env,
        // Whoever starts the other side itself puts it there
        ...(first === undefined && firstCore !== undefined ? { PEER_CORE: `${firstCore}` } : {}),
      },
    });
    const own = kind.oneProcess ? pinned : secondCore === undefined ? [] : [secondCore];
    return [
      ...(first === undefined ? [] : [start(first, firstCore === undefined ? [] : [firstCore])]),
      start(second, own),
    ];
  }

  #throughput(kind: PeerKind, size: number): Case {
    const { scale, processes } = this.#setting;
    const [messages, bytes] = kind.about;
    let count = countFor(Math.min(messages, bytes / size) * scale.seconds, size);
    return {
      measure: "throughput",
      peer: kind.id,
      variants: [String(size)],
      run: async () => {
        const warm = warmFor(count, size);
        const starts = this.#starts(kind, kind.throughput!, [
          String(size),
          String(count),
          String(warm),
          "0",
          "-",
        ]);
        const lines = await processes.together(starts, TIMEOUT_MS);
        const received = lineOf(lines, "recv");
        const rate = received.messages! / received.seconds!;
        const sent = count;
        count = countFor(rate * scale.seconds, size);
        return {
          [size]: {
            figure: rate,
            beside: {
              cpuSecondsPerMillion: total(lines, "cpuSeconds") / sent * 1e6,
              rssBytes: total(lines, "rssBytes"),
            },
          },
        };
      },
    };
  }

  #roundTrip(kind: PeerKind): Case {
    const { scale } = this.#setting;
    let count = Math.ceil(scale.seconds * 30_000);
    return {
      measure: "roundTrip",
      peer: kind.id,
      variants: [String(ROUND_TRIP_BYTES)],
      run: async () => {
        const round = await this.#trips(kind, kind.roundTrip!, count, Math.ceil(count / 5), 0);
        count = Math.min(1_000_000, Math.max(200, Math.ceil(scale.seconds / round.figure * 1e9)));
        return { [ROUND_TRIP_BYTES]: round };
      },
    };
  }

  #wake(kind: PeerKind): Case {
    return {
      measure: "wake",
      peer: kind.id,
      variants: [String(ROUND_TRIP_BYTES)],
      run: async () => ({
        [ROUND_TRIP_BYTES]: await this.#trips(
          kind,
          kind.wake!,
          this.#setting.scale.wakes,
          WAKES_BEFORE,
          WAKE_PAUSE_MS,
        ),
      }),
    };
  }

  async #trips(
    kind: PeerKind,
    sides: readonly [Side | undefined, Side],
    count: number,
    warm: number,
    pause: number,
  ): Promise<Round> {
    const samples = `${this.#setting.folder}/samples`;
    const args = [ROUND_TRIP_BYTES, count, warm, pause].map(String);
    const starts = this.#starts(kind, sides, [...args, samples]);
    const lines = await this.#setting.processes.together(starts, TIMEOUT_MS);
    const times = new Float64Array(Deno.readFileSync(samples).buffer);
    return {
      figure: median([...times]),
      beside: { cpuSecondsPerMillion: total(lines, "cpuSeconds") / count * 1e6 },
      times,
    };
  }

  /** Nobody is pinned here: there are more processes than cores, soon enough. */
  #producers(peer: string, program: string, producers: number): Case {
    const { scale, programs, processes } = this.#setting;
    const size = 64;
    const kind = PEERS.find(({ id }) => id === peer)!;
    let each = countFor(kind.about[0] * scale.seconds / producers, size);
    return {
      measure: "producers",
      peer,
      variants: [String(producers)],
      run: async () => {
        const warm = warmFor(each, size);
        const address = this.#address(kind.address, 8);
        const start = (role: string, times: number): Start => ({
          command: [
            ...programs.command(program),
            role,
            address,
            ...[size, each * times, warm * times, 0].map(String),
            "-",
          ],
          env: programs.env,
        });
        const lines = await processes.together(
          [start("recv", producers), ...Array.from({ length: producers }, () => start("send", 1))],
          TIMEOUT_MS,
        );
        const received = lineOf(lines, "recv");
        const rate = received.messages! / received.seconds!;
        each = countFor(rate * scale.seconds / producers, size);
        return { [producers]: { figure: rate, beside: {} } };
      },
    };
  }

  #idle(peer: string, program: string, address: PeerKind["address"]): Case {
    const { programs, processes } = this.#setting;
    return {
      measure: "idle",
      peer,
      variants: ["-"],
      run: async () => {
        const command = [
          ...programs.command(program),
          "idle",
          this.#address(address),
          "64",
          "0",
          "0",
          String(IDLE_MS),
          "-",
        ];
        const [line] = await processes.together([{ command, env: programs.env }], TIMEOUT_MS);
        return { "-": { figure: line!.cpuSeconds! / line!.seconds!, beside: {} } };
      },
    };
  }

  #allocation(): Case {
    const { processes, scale } = this.#setting;
    const kind = PEERS.find(({ id }) => id === "channel-ts-ts")!;
    return {
      measure: "allocation",
      peer: kind.id,
      variants: ["drain", "claim"],
      run: async () => {
        const count = scale.allocations;
        const lines = await processes.together(
          this.#starts(kind, [["channel.ts", "recv-heap"], ["channel.ts", "send-heap"]], [
            "64",
            String(count),
            String(count),
            "0",
            "-",
          ]),
          TIMEOUT_MS,
        );
        const round = (role: string): Round => ({
          figure: lineOf(lines, role).heapGrownBytes! / count,
          beside: {},
        });
        return { drain: round("recv"), claim: round("send") };
      },
    };
  }

  #startUps(): Case[] {
    const empty = `${this.#setting.folder}/empty.js`;
    Deno.writeTextFileSync(empty, "");
    const deno = [Deno.execPath(), "run", "--allow-ffi"];
    const cli = [...deno, `${PROJECT}cli.ts`];
    return [
      ...["--version", "--help", "ls"].map((arg) => this.#startUp("cli", arg, [...cli, arg])),
      this.#startUp("import", "-", [...deno, `${PROJECT}mod.ts`]),
      this.#startUp("deno-empty", "-", [...deno, empty]),
      ...(this.#setting.programs.reasonAgainst("node") === undefined
        ? [this.#startUp("node-empty", "-", ["node", empty])]
        : []),
      this.#startUp("ipcs", "-", ["ipcs", "-m"]),
    ];
  }

  #startUp(peer: string, variant: string, command: readonly string[]): Case {
    const { processes, scale } = this.#setting;
    return {
      measure: "startUp",
      peer,
      variants: [variant],
      run: async () => {
        const times: number[] = [];
        for (let i = 0; i < scale.starts; i++) {
          const start = performance.now();
          await processes.together([{ command }], TIMEOUT_MS);
          times.push(performance.now() - start);
        }
        return { [variant]: { figure: median(times), beside: {} } };
      },
    };
  }

  #lifecycle(peer: string, program: string): Case {
    const { scale } = this.#setting;
    const variants = peer === "node"
      ? ["create"]
      : ["create", "attach", "channelNew", "channelJoin", "mailboxJoin"];
    return {
      measure: "lifecycle",
      peer,
      variants,
      run: () => this.#costs([program], [this.#address("key"), String(scale.lifecycles)]),
    };
  }

  #fields(): Case {
    const { scale } = this.#setting;
    const ways = ["struct field", "typed array", "DataView", "UnsafePointerView"];
    return {
      measure: "fields",
      peer: "fields",
      variants: [
        ...["i32", "f64", "cString(16)"].flatMap((field) => ways.map((way) => `${field}/${way}`)),
        ...["struct field", "typed array", "restructure"].map((way) => `all three fields/${way}`),
      ],
      run: () => this.#costs(["fields.ts"], [String(scale.fieldsMs)]),
    };
  }

  async #costs(
    [program]: readonly [string],
    args: readonly string[],
  ): Promise<Readonly<Record<string, Round | string>>> {
    const { programs, processes, machine } = this.#setting;
    const [line] = await processes.together([{
      command: [...programs.command(program), ...args],
      cores: machine.pinned.slice(1),
      env: programs.env,
    }], TIMEOUT_MS);
    const rounds = Object.entries(line!.nanoseconds!).map(([name, figure]): [string, Round] => [
      name,
      { figure, beside: {} },
    ]);
    return { ...Object.fromEntries(rounds), ...line!.notRun };
  }
}

/** Names of all peers, for the result. */
export function peerNames(): Record<string, string> {
  return { ...Object.fromEntries(PEERS.map(({ id, name }) => [id, name])), ...OTHER_NAMES };
}

/** So many messages, within reason. */
function countFor(wanted: number, size: number): number {
  return Math.round(Math.min(50_000_000, Math.max(size >= LARGE ? 6 : 100, wanted)));
}

function warmFor(count: number, size: number): number {
  return Math.max(size >= LARGE ? 5 : 20, Math.ceil(count / 5));
}

/** A port nobody listens on just now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
