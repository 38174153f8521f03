/** What all peers in Node share: the command line, the clock and the line of JSON. `peer.ts` is the same. */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const fs = require("node:fs");

/** From here on a receiver copies what it gets, as a program would; smaller messages it looks at. */
const COPIED = 1024;

function readPart() {
  const [role, address, size, count, warm, pause, samples] = process.argv.slice(2);
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

/** Messages that are published, or written, together. */
function batchOf(size) {
  return Math.max(1, Math.min(256, Math.floor(16384 / size)));
}

/** The largest resident size of this process; not `ru_maxrss`, see `peer.ts`. */
function largestResidentSize() {
  const status = fs.readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Time and CPU time of what is measured. */
class Meter {
  #role;
  #start = 0;
  #cpu;

  constructor({ role }) {
    this.#role = role;
  }

  get running() {
    return this.#cpu !== undefined;
  }

  begin() {
    this.#cpu = process.cpuUsage();
    this.#start = performance.now();
  }

  end(messages) {
    const seconds = (performance.now() - this.#start) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    console.log(JSON.stringify({
      role: this.#role,
      messages,
      seconds,
      cpuSeconds: (user + system) / 1e6,
      rssBytes: largestResidentSize(),
    }));
  }
}

/** Counts what arrives, and measures from the end of the warm-up on. */
class Arrivals {
  #meter;
  #warm;
  #all;
  #before = 0;
  #received = 0;

  constructor(part) {
    this.#meter = new Meter(part);
    this.#warm = part.warm;
    this.#all = part.warm + part.count;
  }

  get open() {
    return this.#received < this.#all;
  }

  add(messages) {
    this.#received += messages;
    if (!this.#meter.running && this.#received >= this.#warm) {
      this.#before = this.#received;
      this.#meter.begin();
    }
    if (!this.open) this.#meter.end(this.#received - this.#before);
  }
}

/** Round trips and their times; the clock is read once for each, or twice where there is a pause. */
class RoundTrips {
  #part;
  #meter;
  #times;
  #next;
  #start = 0;

  constructor(part) {
    this.#part = part;
    this.#meter = new Meter(part);
    this.#times = new Float64Array(part.count);
    this.#next = -part.warm;
  }

  get open() {
    if (!this.#meter.running) {
      this.#meter.begin();
      this.#start = performance.now();
    }
    return this.#next < this.#times.length;
  }

  async pause() {
    if (this.#part.pause === 0) return;
    await new Promise((resolve) => setTimeout(resolve, this.#part.pause));
    this.#start = performance.now();
  }

  done() {
    const end = performance.now();
    if (this.#next >= 0) this.#times[this.#next] = (end - this.#start) * 1e6;
    else if (this.#next === -1) this.#meter.begin();
    this.#next++;
    this.#start = end;
  }

  end() {
    this.#meter.end(this.#times.length);
    fs.writeFileSync(this.#part.samples, new Uint8Array(this.#times.buffer));
  }
}

/** Plays the part by the function of its role. */
async function play(roles) {
  const part = readPart();
  const role = roles[part.role];
  if (role === undefined) throw new TypeError(`no role ${part.role}: ${Object.keys(roles)}`);
  await role(part);
}

/** Ends the process, once what it printed is out: libraries keep it alive with sockets of their own. */
function leave() {
  process.stdout.write("", () => process.exit(0));
}

module.exports = { Arrivals, batchOf, COPIED, leave, Meter, play, RoundTrips };
