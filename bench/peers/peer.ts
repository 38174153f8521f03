/**
 * What all peers in Deno share: the command line, the clock and the line of JSON a role ends with.
 * `node_peer.cjs` and `peer.h` are the same for Node and C.
 *
 *     PEER ROLE ADDRESS SIZE COUNT WARM PAUSE SAMPLES
 *
 * Role `send` sends WARM messages of SIZE bytes and then COUNT that are measured, `recv` receives them.
 * `ping` makes as many round trips and writes the nanoseconds of each into the file SAMPLES as 64-bit
 * floats, `pong` answers. With PAUSE, ping sleeps so many milliseconds before each. What ADDRESS is
 * depends on the peer. The line says how many messages, in how many seconds, with how much CPU time of
 * the process, and its largest resident size.
 */

import process from "node:process";

/** The part a peer is to play. */
export interface Part {
  readonly role: string;
  readonly address: string;
  readonly size: number;
  readonly count: number;
  readonly warm: number;
  readonly pause: number;
  readonly samples: string;
}

/** The part on the command line. */
export function readPart(args: readonly string[] = Deno.args): Part {
  const [role = "", address = "", size, count, warm, pause, samples = ""] = args;
  return {
    role,
    address,
    size: Number(size),
    count: Number(count),
    warm: Number(warm),
    pause: Number(pause),
    samples,
  };
}

/** From here on a receiver copies what it gets, as a program would; smaller messages it looks at. */
export const COPIED = 1024;

/** Messages that are published, or written, together: enough to share the cost, few enough to flow. */
export function batchOf(size: number): number {
  return Math.max(1, Math.min(256, Math.floor(16384 / size)));
}

/** Payload objects that are sent in turn, so many that no cache of them helps. */
export const DISTINCT = 1024;

/** Makes them. */
export function distinct(lengthOf: (i: number) => number): Uint8Array[] {
  return Array.from(
    { length: DISTINCT },
    (_, i) => new Uint8Array(lengthOf(i)).fill(1 + i % 255),
  );
}

/** A text of so many bytes: each has a number, and all begin alike, as lines of a log do. */
export function numberedText(i: number, size: number): string {
  return `message number ${String(i).padStart(7, "0")}`.padEnd(size, ".");
}

/**
 * The largest resident size of this process. Not `ru_maxrss`: that begins with the size of the
 * process that started this one. Source: proc_pid_status(5), VmHWM.
 */
function largestResidentSize(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Time and CPU time of what is measured. */
export class Meter {
  readonly #role: string;
  #start = 0;
  #cpu: NodeJS.CpuUsage | undefined;

  constructor({ role }: Part) {
    this.#role = role;
  }

  /** Whether {@linkcode Meter.begin} was called. */
  get running(): boolean {
    return this.#cpu !== undefined;
  }

  /** The warm-up is over. */
  begin(): void {
    this.#cpu = process.cpuUsage();
    this.#start = performance.now();
  }

  /** Prints the line. */
  end(messages: number, more: Readonly<Record<string, number>> = {}): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    console.log(JSON.stringify({
      role: this.#role,
      messages,
      seconds,
      cpuSeconds: (user + system) / 1e6,
      rssBytes: largestResidentSize(),
      ...more,
    }));
  }
}

/** Counts what arrives, and measures from the end of the warm-up on. */
export class Arrivals {
  readonly #meter: Meter;
  readonly #warm: number;
  readonly #all: number;
  #before = 0;
  #received = 0;

  constructor(part: Part) {
    this.#meter = new Meter(part);
    this.#warm = part.warm;
    this.#all = part.warm + part.count;
  }

  /** Whether there is more to come. */
  get open(): boolean {
    return this.#received < this.#all;
  }

  /** So many have arrived since the last call. */
  add(messages: number): void {
    this.#received += messages;
    if (!this.#meter.running && this.#received >= this.#warm) {
      this.#before = this.#received;
      this.#meter.begin();
    }
    if (!this.open) this.#meter.end(this.#received - this.#before);
  }
}

/**
 * Round trips that are timed together where both sides spin: Deno's clock takes 160 ns, C's 30, of a round
 * trip of 200.
 */
export const TOGETHER = 32;

/** Round trips and their times; the clock is read once for each, or twice where there is a pause. */
export class RoundTrips {
  readonly #part: Part;
  readonly #meter: Meter;
  readonly #times: Float64Array;
  #next: number;
  #start = 0;

  constructor(part: Part) {
    this.#part = part;
    this.#meter = new Meter(part);
    this.#times = new Float64Array(part.count);
    this.#next = -part.warm;
  }

  /** Whether there are more to make. The first call starts the clock. */
  get open(): boolean {
    if (!this.#meter.running) {
      this.#meter.begin();
      this.#start = performance.now();
    }
    return this.#next < this.#times.length;
  }

  /** Sleeps before a round trip, if that is asked for. */
  async pause(): Promise<void> {
    if (this.#part.pause === 0) return;
    await new Promise((resolve) => setTimeout(resolve, this.#part.pause));
    this.#start = performance.now();
  }

  /** One round trip is over, or so many since the last call: each of them took the mean then. */
  done(together = 1): void {
    const end = performance.now();
    const each = (end - this.#start) * 1e6 / together;
    for (let i = 0; i < together; i++) {
      if (this.#next >= 0) this.#times[this.#next] = each;
      else if (this.#next === -1) this.#meter.begin();
      this.#next++;
    }
    this.#start = end;
  }

  /** Writes the times and prints the line. */
  end(): void {
    this.#meter.end(this.#times.length);
    Deno.writeFileSync(this.#part.samples, new Uint8Array(this.#times.buffer));
  }
}

/** How long a receiver waits before its idling is measured: to begin to wait is not idling yet. */
export const SETTLE_MS = 500;

/** Measures a wait for what does not come, from when it has settled until it is given up. */
export async function idling(part: Part, waiting: Promise<unknown>): Promise<void> {
  const over = waiting.catch(() => {});
  const meter = new Meter(part);
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  meter.begin();
  await over;
  meter.end(0);
}

/** Plays the part by the function of its role. */
export async function play(
  roles: Readonly<Record<string, (part: Part) => void | Promise<void>>>,
): Promise<void> {
  const part = readPart();
  const role = roles[part.role];
  if (role === undefined) throw new TypeError(`no role ${part.role}: ${Object.keys(roles)}`);
  await role(part);
}
