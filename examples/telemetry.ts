/**
 * Telemetry of a C program, plotted live in the terminal.
 *
 *     deno run --allow-ffi examples/telemetry.ts --declare > sample.h    the struct, for C
 *     gcc -O2 -o telemetry -I. -Ic examples/telemetry.c                  checks every offset
 *     ./telemetry 100000 &
 *     deno run --allow-ffi examples/telemetry.ts
 *
 * The C program samples 10000 times a second and never waits. This one takes what there is ten times a
 * second and plots it, from the least to the greatest value of each time; without a terminal it prints
 * a line a second. It ends when the C program does, or at Ctrl-C.
 */

import { Channel, f64, struct, u32 } from "../mod.ts";

const Sample = struct({ n: u32, degrees: f64, late_us: f64, cpu: f64, time: f64 });
const PLOTTED = ["degrees", "late_us"] as const;
const WIDEST = 1000; // no terminal shows more

/** What is kept of many values. */
class Range {
  constructor(
    public least = Infinity,
    public greatest = -Infinity,
    public sum = 0,
    public count = 0,
  ) {}

  add(other: Range): this {
    this.least = Math.min(this.least, other.least);
    this.greatest = Math.max(this.greatest, other.greatest);
    this.sum += other.sum;
    this.count += other.count;
    return this;
  }
}

const joined = (ranges: readonly Range[]): Range =>
  ranges.reduce((all, range) => all.add(range), new Range());

function describe(name: string, { least, greatest, sum, count }: Range): string {
  const [min, mean, max] = [least, sum / count, greatest].map((value) => value.toFixed(1));
  return `${name} min ${min} mean ${mean} max ${max}`;
}

/** A column of dots for each range; a character of braille is two dots wide and four high. */
function plot(ranges: readonly Range[], rows: number): string[] {
  const { least, greatest } = joined(ranges);
  const dotsPerUnit = (rows * 4 - 1) / (greatest - least || 1);
  const cells = Array.from(
    { length: rows },
    () => Array(Math.ceil(ranges.length / 2)).fill(0x2800),
  );
  for (const [x, range] of ranges.entries()) {
    const top = Math.round((range.greatest - least) * dotsPerUnit);
    for (let y = Math.round((range.least - least) * dotsPerUnit); y <= top; y++) {
      const dots = x % 2 === 0 ? [0x40, 0x04, 0x02, 0x01] : [0x80, 0x20, 0x10, 0x08];
      cells[rows - 1 - (y >> 2)]![x >> 1] |= dots[y & 3]!;
    }
  }
  return cells.map((row) => String.fromCharCode(...row));
}

/** The whole screen: what was seen last is on the right, as much of it as there is room for. */
function draw(headline: string, history: readonly Range[][]): void {
  const { columns, rows } = Deno.consoleSize();
  const height = Math.max(1, Math.floor(rows / 2) - 2);
  const charts = PLOTTED.flatMap((name, i) => {
    const ranges = history.slice(-2 * columns).map((seen) => seen[i]!);
    return [describe(name, joined(ranges)), ...plot(ranges, height)];
  });
  const lines = [headline, ...charts].slice(0, rows - 1);
  console.log(`\x1b[H${lines.map((line) => `${line.slice(0, columns)}\x1b[K`).join("\n")}\x1b[J`);
}

async function watch(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => stop.abort());
  }
  using channel = Channel.of(Sample, { key: 0x5eed1005 });
  using consumer = channel.consumer();

  const history: Range[][] = [];
  const total = PLOTTED.map(() => new Range());
  let [samples, lost, next, headline] = [0, 0, 0, "waiting for samples"];
  let [cpu, time, second] = [0, 0, { samples: 0, cpu: 0, time: 0 }];

  function take(): void {
    const seen = PLOTTED.map(() => new Range());
    consumer.drain((sample) => {
      for (const [i, name] of PLOTTED.entries()) {
        const value = sample[name];
        seen[i]!.add(new Range(value, value, value, 1));
      }
      if (samples++ > 0) lost += sample.n - next; // the C program dropped them: there was no room
      next = sample.n + 1;
      [cpu, time] = [sample.cpu, sample.time];
    });
    if (seen[0]!.count > 0) history.push(seen);
    if (history.length > WIDEST) history.shift();
    seen.forEach((range, i) => total[i]!.add(range));
  }

  const terminal = Deno.stdout.isTerminal();
  if (terminal) console.log("\x1b[?1049h\x1b[?25l"); // a screen of our own, without a cursor
  else console.log(headline);
  try {
    while (await consumer.ready({ until: "closed", signal: stop.signal })) {
      take();
      const elapsed = time - second.time;
      if (elapsed >= 1) {
        const rate = Math.round((samples - second.samples) / elapsed);
        const load = Math.round((cpu - second.cpu) / elapsed * 100);
        headline = `${rate} samples a second, ${lost} lost, ${load}% of a CPU`;
        second = { samples, cpu, time };
        if (!terminal) console.log(headline);
      }
      if (terminal) draw(headline, history);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    take(); // what came meanwhile: a channel with unread messages in it would stay
  } finally {
    if (terminal) console.log("\x1b[?25h\x1b[?1049l");
    console.log(`${samples} samples, ${lost} lost`);
    for (const [i, name] of PLOTTED.entries()) console.log(describe(name, total[i]!));
  }
}

if (Deno.args[0] === "--declare") console.log(Sample.declare("Sample"));
else await watch();
