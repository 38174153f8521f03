/** What is run: every measure of every peer, and how a round of it becomes a figure. */

import {
  type AddressKind,
  type PeerKind,
  peerKind,
  PEERS,
  type Side,
  type Sides,
} from "./peers.ts";
import type { Line, Processes, Start } from "./processes.ts";
import type { Programs } from "./programs.ts";
import type { Machine } from "./result.ts";
import { median } from "./statistics.ts";

const PROJECT = new URL("..", import.meta.url).pathname;
/** A case that takes longer has failed. */
const TIMEOUT_MS = 60_000;
/** Bytes of a message where nothing else is said. */
const USUAL_BYTES = 64;
const WAKE_PAUSE_MS = 3;
/** Wakes before those that count: a program that sleeps now and then has done so before. */
const WAKES_BEFORE = 50;
/** From here on rings and buffers are passed through a few times before it counts. */
const LARGE = 1 << 20;
/** Where the keys of segments begin that are only there; those of the cases are below. */
const OTHERS_FROM = 0x8000;
/** Starts a program where system calls are denied. */
const DENYING = "deny.c";
/** What it denies, as the sandboxes of containers do. */
const IO_URING_DENIED = ["EPERM", "io_uring_setup"];

/** Rounds of what takes seconds. */
const BRIDGE_ROUNDS = 3;

/** How large a run is. */
export interface Scale {
  readonly sizes: readonly number[];
  /** Seconds that a throughput or a round trip is measured in one round. */
  readonly seconds: number;
  readonly wakes: number;
  readonly producers: readonly number[];
  readonly clients: readonly number[];
  readonly receivers: readonly number[];
  readonly lines: number;
  readonly idleMs: number;
  /** Rounds of what is idle. */
  readonly idleRounds: number;
  readonly allocations: number;
  readonly starts: number;
  readonly lifecycles: number;
  /** Numbers of other segments beside those that come and go. */
  readonly others: readonly number[];
  readonly fieldsMs: number;
  /** Milliseconds of each figure of a Latest. */
  readonly latestMs: number;
  /** Messages through a bridge, and into a file. */
  readonly bridged: number;
}

/** A run that means something. */
export const FULL: Scale = {
  sizes: [8, 64, 1024, 65536, 1 << 20],
  seconds: 0.25,
  wakes: 150,
  producers: [1, 4, 8],
  clients: [1, 6],
  receivers: [1, 4],
  lines: 20_000,
  idleMs: 10_000,
  idleRounds: 3,
  allocations: 10_000_000,
  starts: 7,
  lifecycles: 300,
  others: [0, 1000, 4000],
  fieldsMs: 600,
  latestMs: 200,
  bridged: 40_000,
};

/** A run that shows that all of it works. */
export const QUICK: Scale = {
  sizes: [64, 65536],
  seconds: 0.05,
  wakes: 25,
  producers: [4],
  clients: [1, 6],
  receivers: [1, 4],
  lines: 1000,
  idleMs: 300,
  idleRounds: 1,
  allocations: 1_000_000,
  starts: 1,
  lifecycles: 50,
  others: [0, 100],
  fieldsMs: 100,
  latestMs: 20,
  bridged: 2000,
};

/** One round of one case. */
export interface Round {
  readonly figure: number;
  readonly beside?: Readonly<Record<string, number>>;
  /** Round trips, for the percentiles. */
  readonly times?: Float64Array;
}

/** What has its turn in each round. */
export interface Case {
  /** `measure/peer/variant` of each figure that a turn gives. */
  readonly names: readonly string[];
  /** The number of rounds it takes part in, without the rehearsal. Defaults to all rounds and the rehearsal. */
  readonly most?: number;
  /** A round of each name, or why there is none. */
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

/** Where the processes of a case run. */
type Place = "pinned" | "unpinned" | "no-io_uring";

/** Payloads of which no two that follow each other are one object: variant, bytes, sender's role. */
const PAYLOADS = [
  ["64", USUAL_BYTES, "send-distinct"],
  ["61", 61, "send-distinct"],
  ["1-127", USUAL_BYTES, "send-varying"],
  ["text", USUAL_BYTES, "send-text"],
] as const;

const WITHOUT_IO_URING = ["mailbox-await", "channel-await"];
const ONE_BY_ONE = ["channel-await", "channel-sync", "deno-unix", "deno-worker"];
const LATESTS = [["latest-ts", "latest.ts"], ["latest-c", "latest.c"]] as const;
const LATEST = ["plain read", "read", "read, writer at full speed", "write", "write, bytes"];
/** One sender, several receivers: the peer, its program, and about how many messages a second. */
const FAN_OUTS = [
  ["topic-ts", "topic.ts", 1e7],
  ["topic-c", "topic.c", 3e7],
  ["deno-unix", "fan_out.ts", 4e6],
  ["deno-broadcast", "fan_out.ts", 1e4],
  ["iceoryx", "iceoryx.c", 1e6],
] as const;
/** What leaves shared memory. */
export const BRIDGED = [
  "NATS client alone, publish",
  "bridge out",
  "bridge in",
  "bridge record",
  "bridge replay --fast",
];
const LIFECYCLES = ["create", "attach", "channelNew", "channelJoin", "mailboxJoin"];

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

  /** All that can be run, in the order of the report, and what cannot. */
  all(): { readonly cases: Case[]; readonly notRun: { peer: string; reason: string }[] } {
    const { scale } = this.#setting;
    const notRun: { peer: string; reason: string }[] = [];
    const cases: Case[] = [];
    const add = (peer: string, programs: readonly string[], make: () => readonly Case[]): void => {
      const reason = this.#reasonAgainst(programs);
      if (reason === undefined) cases.push(...make());
      else if (!notRun.some((one) => one.peer === peer)) notRun.push({ peer, reason });
    };
    const each = (make: (kind: PeerKind) => readonly Case[]): void => {
      for (const kind of PEERS) {
        const sides = [kind.throughput, kind.spinning, kind.sleeping].flatMap((pair) => pair ?? []);
        const programs = sides.flatMap((side) => side === undefined ? [] : [side[0]]);
        add(kind.id, programs, () => make(kind));
      }
    };
    const sleeping = (kind: PeerKind, place: Place): Case[] =>
      kind.sleeping === undefined
        ? []
        : [this.#roundTrip(kind, kind.sleeping, place), this.#wake(kind, kind.sleeping, place)];
    // As programs are run: unpinned, by promises, payloads that differ
    each((kind) => [
      ...sleeping(kind, "unpinned"),
      ...(this.#mayDeny(kind.id) ? sleeping(kind, "no-io_uring") : []),
    ]);
    add("io_uring denied", [DENYING], () => []);
    each((kind) => this.#payloads(kind));
    cases.push(this.#lines());
    cases.push(...scale.clients.map((count) => this.#clients(count)));
    cases.push(this.#idle(), this.#startUps());
    for (const others of scale.others) {
      add("c", ["lifecycle.c"], () => [this.#lifecycle("c", "lifecycle.c", LIFECYCLES, others)]);
      cases.push(this.#lifecycle("ts", "lifecycle.ts", LIFECYCLES, others));
    }
    add("node", ["node_lifecycle.cjs"], () => [
      this.#lifecycle("node", "node_lifecycle.cjs", ["create"], 0),
    ]);
    cases.push(this.#bridge());
    // Each side on a core of its own
    each((kind) => {
      const { id, sleeping, spinning, throughput } = kind;
      return [
        ...(sleeping === undefined ? [] : [this.#roundTrip(kind, sleeping, "pinned")]),
        ...(spinning === undefined ? [] : [this.#roundTrip(kind, spinning, "spinning")]),
        ...(throughput === undefined
          ? []
          : scale.sizes.map((size) =>
            this.#throughput(`throughput/${id}/${size}`, kind, throughput, size, "pinned")
          )),
      ];
    });
    for (const id of ["channel-ts-ts", "channel-c-c"]) {
      const kind = peerKind(id)!;
      const program = kind.throughput![1][0];
      add(id, [program], () => scale.producers.map((count) => this.#producers(kind, count)));
    }
    for (const [peer, program] of LATESTS) {
      add(peer, [program], () => [this.#latest(peer, program)]);
    }
    for (const [peer, program] of FAN_OUTS) {
      add(
        peer,
        [program],
        () => scale.receivers.map((count) => this.#fanOut(peer, program, count)),
      );
      if (!program.startsWith("topic")) continue;
      add(peer, [program], () => [0, 4].map((count) => this.#fanOut(peer, program, count, "look")));
    }
    cases.push(this.#allocation(), this.#fields());
    return { cases, notRun };
  }

  #reasonAgainst(programs: readonly string[]): string | undefined {
    return programs.map((program) => this.#setting.programs.reasonAgainst(program))
      .find((reason) => reason !== undefined);
  }

  /** Whether the peer is measured without io_uring too. */
  #mayDeny(peer: string): boolean {
    return WITHOUT_IO_URING.includes(peer) && this.#reasonAgainst([DENYING]) === undefined;
  }

  /** An address that no case has used. The three keys after a key are free too. */
  #address(kind: AddressKind, lanes = 1): string {
    const n = this.#addresses++;
    const key = this.#setting.firstKey + 4 * n % OTHERS_FROM;
    const path = `${this.#setting.folder}/${n}`;
    if (kind === "key") return String(key);
    if (kind === "lanes") return `${key}/${lanes}`;
    if (kind === "unix") return `unix:${path}`;
    if (kind === "path") return path;
    return kind === "tcp" ? `tcp:${freePort()}` : "-";
  }

  /** The command that plays a role, and where. */
  #start(
    [program, role]: Side,
    address: string,
    args: readonly (string | number)[],
    place: Place,
    cores: readonly number[] = [],
  ): Start {
    const { programs } = this.#setting;
    return {
      command: [
        ...(place === "no-io_uring" ? [...programs.command(DENYING), ...IO_URING_DENIED] : []),
        ...programs.command(program),
        role,
        address,
        ...args.map(String),
      ],
      cores: place === "pinned" ? cores : [],
      env: programs.env,
    };
  }

  /** Runs both sides to their end. */
  async #pair(
    kind: PeerKind,
    [receiver, sender]: Sides,
    args: readonly (string | number)[],
    place: Place,
  ): Promise<Line[]> {
    const { machine: { pinned }, processes } = this.#setting;
    const [first, second] = pinned.map((core) => [core]);
    const address = this.#address(kind.address);
    const own = this.#start(sender, address, args, place, kind.oneProcess ? pinned : second);
    if (receiver !== undefined) {
      const other = this.#start(receiver, address, args, place, first);
      return await processes.together([other, own], TIMEOUT_MS);
    }
    // It starts the other side itself, and puts it there
    const core: Record<string, string> = place === "pinned" && first !== undefined
      ? { PEER_CORE: `${first}` }
      : {};
    return await processes.together([{ ...own, env: { ...own.env, ...core } }], TIMEOUT_MS);
  }

  #throughput(name: string, kind: PeerKind, sides: Sides, size: number, place: Place): Case {
    const { scale } = this.#setting;
    const [messages, bytes] = kind.about;
    const first = countFor(Math.min(messages, bytes / size) * scale.seconds, size);
    let count = first;
    return {
      names: [name],
      run: async () => {
        const warm = Math.max(size >= LARGE ? 5 : 20, Math.ceil(count / 5));
        const lines = await this.#pair(kind, sides, [size, count, warm, 0, "-"], place);
        const received = lineOf(lines, "recv");
        const figure = received.messages! / received.seconds!;
        const beside = name !== `throughput/${kind.id}/${USUAL_BYTES}` ? undefined : {
          cpuSecondsPerMillion: total(lines, "cpuSeconds") / count * 1e6,
          rssBytes: total(lines, "rssBytes"),
        };
        count = Math.max(first >> 2, countFor(figure * scale.seconds, size));
        return { [name]: { figure, ...(beside === undefined ? {} : { beside }) } };
      },
    };
  }

  /** Payloads that differ, and one by one, as most programs send. */
  #payloads(kind: PeerKind): Case[] {
    const of = (variant: string, sides: Sides, size: number, place: Place = "unpinned"): Case =>
      this.#throughput(`payload/${kind.id}/${variant}`, kind, sides, size, place);
    const { id, throughput } = kind;
    if (throughput === undefined) return [];
    const [receiver, [program]] = throughput;
    if (ONE_BY_ONE.includes(id)) return [of("each", throughput, USUAL_BYTES)];
    if (id === "deno-unix-batch") return [of("64", throughput, USUAL_BYTES)];
    if (id !== "channel-ts-ts" && id !== "channel-c-c") return [];
    const distinct: Sides = [receiver, [program, "send-distinct"]];
    return [
      ...PAYLOADS.map(([variant, size, role]) => of(variant, [receiver, [program, role]], size)),
      of("64-pinned", distinct, USUAL_BYTES, "pinned"),
    ];
  }

  #roundTrip(kind: PeerKind, sides: Sides, variant: Place | "spinning"): Case {
    const { scale } = this.#setting;
    const name = `roundTrip/${kind.id}/${variant}`;
    const place = variant === "spinning" ? "pinned" : variant;
    const first = Math.ceil(scale.seconds * 30_000);
    let count = first;
    return {
      names: [name],
      run: async () => {
        const round = await this.#trips(kind, sides, [count, Math.ceil(count / 5), 0], place);
        const wanted = Math.ceil(scale.seconds / round.figure * 1e9);
        count = Math.min(1_000_000, Math.max(first >> 2, wanted));
        return { [name]: round };
      },
    };
  }

  #wake(kind: PeerKind, sides: Sides, place: Place): Case {
    const name = `wake/${kind.id}/${place}`;
    const args = [this.#setting.scale.wakes, WAKES_BEFORE, WAKE_PAUSE_MS];
    return {
      names: [name],
      run: async () => ({ [name]: await this.#trips(kind, sides, args, place) }),
    };
  }

  async #trips(
    kind: PeerKind,
    sides: Sides,
    amounts: readonly number[],
    place: Place,
  ): Promise<Round> {
    const samples = `${this.#setting.folder}/samples`;
    await this.#pair(kind, sides, [USUAL_BYTES, ...amounts, samples], place);
    const times = new Float64Array(Deno.readFileSync(samples).buffer);
    return { figure: median([...times]), times };
  }

  /** Lines through the command, without what both sides take to start and to end. */
  #lines(): Case {
    const { scale, processes, folder } = this.#setting;
    const name = `lines/cli/${scale.lines}`;
    const cli = [Deno.execPath(), "run", "--allow-ffi", `${PROJECT}cli.ts`];
    const seconds = async (count: number): Promise<number> => {
      const text = Array.from({ length: count }, (_, i) => `message number ${1e6 + i}\n`).join("");
      const file = `${folder}/lines`;
      Deno.writeTextFileSync(file, text);
      const key = this.#address("key");
      const start = performance.now();
      const server = [...cli, "server", "--quiet", "--key", key, "--count", `${count}`];
      await processes.together([
        // Into a file, as a log would be: the bench reading a pipe would be a third busy process
        { command: ["sh", "-c", '"$@" >"$0"', `${file}.out`, ...server] },
        { command: ["sh", "-c", 'cat "$0" | "$@"', file, ...cli, "client", "-q", "--key", key] },
      ], TIMEOUT_MS);
      return (performance.now() - start) / 1000;
    };
    return {
      names: [name],
      run: async () => {
        const one = await seconds(1);
        const all = await seconds(scale.lines);
        return { [name]: { figure: (all - one) / (scale.lines - 1) * 1e9 } };
      },
    };
  }

  /** Clients that send through one mailbox at once, by promises. */
  #clients(clients: number): Case {
    const { scale, processes } = this.#setting;
    const name = `clients/mailbox-await/${clients}`;
    // Longer than others: every client's compiler has work first, and their turns come in bursts
    const seconds = 4 * scale.seconds;
    const first = Math.ceil(seconds * 30_000 / clients);
    let count = first;
    return {
      names: [name],
      run: async () => {
        const address = `${this.#address("key")}/${clients}`;
        const args = [USUAL_BYTES, count, Math.ceil(count / 5), 0, "-"];
        const start = (role: string): Start =>
          this.#start(["mailbox.ts", role], address, args, "unpinned");
        const lines = await processes.together(
          [start("recv"), ...Array.from({ length: clients }, () => start("send"))],
          TIMEOUT_MS,
        );
        const received = lineOf(lines, "recv");
        const figure = received.messages! / received.seconds!;
        count = Math.max(first >> 2, Math.ceil(figure * seconds / clients));
        return { [name]: { figure } };
      },
    };
  }

  #producers(kind: PeerKind, producers: number): Case {
    const { scale, processes } = this.#setting;
    const size = USUAL_BYTES;
    const name = `producers/${kind.id}/${producers}`;
    const first = countFor(kind.about[0] * scale.seconds / producers, size);
    let each = first;
    return {
      names: [name],
      run: async () => {
        const [receiver, sender] = kind.throughput!;
        const address = this.#address(kind.address, 8);
        const start = (side: Side, times: number): Start => {
          const amounts = [size, each * times, Math.ceil(each / 5) * times, 0, "-"];
          return this.#start(side, address, amounts, "unpinned");
        };
        const lines = await processes.together(
          [
            start(receiver!, producers),
            ...Array.from({ length: producers }, () => start(sender, 1)),
          ],
          TIMEOUT_MS,
        );
        const received = lineOf(lines, "recv");
        const figure = received.messages! / received.seconds!;
        each = Math.max(first >> 2, countFor(figure * scale.seconds / producers, size));
        return { [name]: { figure } };
      },
    };
  }

  /** A writer and a reader of one value, in turns and together. */
  #latest(peer: string, program: string): Case {
    const { scale, processes, machine: { pinned } } = this.#setting;
    const name = (what: string): string => `latest/${peer}/${what}`;
    return {
      names: LATEST.map(name),
      run: async () => {
        const address = this.#address("key");
        const args = [USUAL_BYTES, 0, 0, scale.latestMs, "-"];
        const [first, second] = pinned.map((core) => [core]);
        const lines = await processes.together([
          this.#start([program, "write"], address, args, "pinned", first),
          this.#start([program, "read"], address, args, "pinned", second),
        ], TIMEOUT_MS);
        const figures = lines.flatMap(({ figures = {} }) => Object.entries(figures));
        return Object.fromEntries(figures.map(([what, figure]) => [name(what), { figure }]));
      },
    };
  }

  /**
   * One sender and several receivers, which drain, or `look` 50 times a second and take nothing in between. The
   * figure is what the slowest receiver gets a second, or without one what the sender sends.
   */
  #fanOut(peer: string, program: string, receivers: number, role?: "look"): Case {
    const { scale, processes } = this.#setting;
    const name = `fanOut/${peer}/${receivers}${role === undefined ? "" : " that take nothing"}`;
    const about = FAN_OUTS.find(([one]) => one === peer)![2];
    const first = countFor(about * scale.seconds / 4, USUAL_BYTES);
    let count = first;
    const counted = role === undefined ? "recv" : "send";
    return {
      names: [name],
      run: async () => {
        const address = `${this.#address(peer === "deno-unix" ? "path" : "key")}/${receivers}`;
        const args = [USUAL_BYTES, count, Math.ceil(count / 5), 0, "-"];
        const start = (part: string): Start =>
          this.#start([program, part], address, args, "unpinned");
        const all = peer === "deno-broadcast"
          ? [start("broadcast")]
          : [start("send"), ...Array.from({ length: receivers }, () => start(role ?? "recv"))];
        const lines = await processes.together(all, TIMEOUT_MS);
        const counting = lines.filter((line) => line.role === counted);
        const figure = Math.min(...counting.map((line) => line.messages! / line.seconds!));
        const { seconds } = lineOf(lines, peer === "deno-broadcast" ? "recv" : "send");
        count = Math.max(first >> 2, countFor(count / seconds! * scale.seconds, USUAL_BYTES));
        return { [name]: { figure } };
      },
    };
  }

  /** Receivers of several kinds wait beside each other for what does not come. */
  #idle(): Case {
    const { scale, processes } = this.#setting;
    const waiting = ([
      ["mailbox-await", "mailbox.ts", "key"],
      ["channel-await", "channel.ts", "lanes"],
      ["deno-unix", "socket.ts", "unix"],
    ] as const).flatMap(([peer, program, address]) => {
      const places: Place[] = [
        "unpinned",
        ...(this.#mayDeny(peer) ? ["no-io_uring" as const] : []),
      ];
      return places.map((place) => [peer, program, address, place] as const);
    });
    const names = waiting.map(([peer, , , place]) => `idle/${peer}/${place}`);
    return {
      names,
      most: scale.idleRounds,
      run: async () => {
        const lines = await Promise.all(waiting.map(async ([, program, address, place]) => {
          const args = [USUAL_BYTES, 0, 0, scale.idleMs, "-"];
          const start = this.#start([program, "idle"], this.#address(address), args, place);
          return lineOf(await processes.together([start], TIMEOUT_MS), "idle");
        }));
        return Object.fromEntries(
          lines.map(({ cpuSeconds, seconds }, i) => [names[i], { figure: cpuSeconds! / seconds! }]),
        );
      },
    };
  }

  #allocation(): Case {
    const { scale } = this.#setting;
    const name = (what: string): string => `allocation/channel-ts-ts/${what}`;
    return {
      names: [name("drain"), name("claim")],
      run: async () => {
        const count = scale.allocations;
        const sides: Sides = [["channel.ts", "recv-heap"], ["channel.ts", "send-heap"]];
        const args = [USUAL_BYTES, count, count, 0, "-"];
        const lines = await this.#pair(peerKind("channel-ts-ts")!, sides, args, "pinned");
        const round = (role: string): Round => ({
          figure: lineOf(lines, role).heapGrownBytes! / count,
        });
        return { [name("drain")]: round("recv"), [name("claim")]: round("send") };
      },
    };
  }

  /** Programs from their start to their end; they take turns within a round too. */
  #startUps(): Case {
    const { programs, processes, scale, folder } = this.#setting;
    const empty = `${folder}/empty.js`;
    Deno.writeTextFileSync(empty, "");
    const deno = [Deno.execPath(), "run", "--allow-ffi"];
    const commands: Record<string, string[]> = {
      "deno-empty/-": [...deno, empty],
      "cli/--version": [...deno, `${PROJECT}cli.ts`, "--version"],
      "cli/--help": [...deno, `${PROJECT}cli.ts`, "--help"],
      "cli/ls": [...deno, `${PROJECT}cli.ts`, "ls"],
      "import/-": [...deno, `${PROJECT}mod.ts`],
      ...(programs.reasonAgainst("node") === undefined ? { "node-empty/-": ["node", empty] } : {}),
      "ipcs/-": ["ipcs", "-m"],
    };
    return {
      names: Object.keys(commands).map((name) => `startUp/${name}`),
      run: async () => {
        const times: Record<string, number[]> = {};
        for (let i = 0; i < scale.starts; i++) {
          for (const [name, command] of Object.entries(commands)) {
            const start = performance.now();
            await processes.together([{ command }], TIMEOUT_MS);
            (times[`startUp/${name}`] ??= []).push(performance.now() - start);
          }
        }
        return Object.fromEntries(
          Object.entries(times).map(([name, list]) => [name, { figure: median(list) }]),
        );
      },
    };
  }

  /** Opening and leaving, in an IPC namespace: no other program sees the segments, and none disturbs. */
  #lifecycle(peer: string, program: string, variants: readonly string[], others: number): Case {
    const { scale, programs, firstKey } = this.#setting;
    const args = [this.#address("key"), scale.lifecycles, others, firstKey + OTHERS_FROM];
    return this.#costs(
      (what) => `lifecycle/${peer}/${what}+${others}`,
      variants,
      [...programs.namespace, ...programs.command(program), ...args.map(String)],
      "unpinned",
    );
  }

  #fields(): Case {
    const { scale, programs } = this.#setting;
    const ways = ["struct field", "typed array", "DataView", "UnsafePointerView"];
    const variants = [
      ...["i32", "f64", "cString(16)"].flatMap((field) => ways.map((way) => `${field}/${way}`)),
      ...["struct field", "typed array", "restructure"].map((way) => `all three fields/${way}`),
    ];
    const command = [...programs.command("fields.ts"), String(scale.fieldsMs)];
    return this.#costs((what) => `fields/fields/${what}`, variants, command, "pinned");
  }

  /** Bridge and recording, with a program of their own. */
  #bridge(): Case {
    const { scale, programs, folder } = this.#setting;
    const command = [
      ...programs.command("bridge.ts"),
      this.#address("key"),
      String(scale.bridged),
      folder,
    ];
    return {
      ...this.#costs((what) => `bridge/bridge/${what}`, BRIDGED, command, "unpinned"),
      most: BRIDGE_ROUNDS,
    };
  }

  /** A program that prints the figures of several things. */
  #costs(
    name: (what: string) => string,
    variants: readonly string[],
    command: readonly string[],
    place: Place,
  ): Case {
    const { programs, processes, machine } = this.#setting;
    const cores = place === "pinned" ? machine.pinned.slice(1) : [];
    return {
      names: variants.map(name),
      run: async () => {
        const start = { command, cores, env: programs.env };
        const [line] = await processes.together([start], TIMEOUT_MS);
        const { figures = {}, notRun = {} } = line!;
        return Object.fromEntries([
          ...Object.entries(figures).map(([what, figure]) => [name(what), { figure }]),
          ...Object.entries(notRun).map(([what, reason]) => [name(what), reason]),
        ]);
      },
    };
  }
}

/**
 * So many messages, within reason. A case sends at least a quarter of what it sent first, however slow a
 * round was: with fewer the compiler would not be done before they count, and the next round be slow too.
 */
function countFor(wanted: number, size: number): number {
  return Math.round(Math.min(50_000_000, Math.max(size >= LARGE ? 6 : 100, wanted)));
}

/** A port that nothing listens on just now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
