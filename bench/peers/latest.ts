/**
 * The newest value in Deno; `latest.c` is its twin. ADDRESS is a key. `ping-await` and `pong-await` use
 * promises: each side writes a value that the other one waits for (KEY and KEY + 1), so a round trip is two
 * changes. `read` and `write` are run together and print the nanoseconds of a read and of a write of
 * 64 bytes, each measured for PAUSE milliseconds. The phase is a word in a segment at KEY + 1.
 */

import { f64, Latest, Segment, struct } from "../../mod.ts";
import { AtomicInt32 } from "../../src/sync/mod.ts";
import { Meter, type Part, play, RoundTrips } from "./peer.ts";

/** 64 bytes. */
const Pose = struct({
  x: f64,
  y: f64,
  z: f64,
  a: f64,
  b: f64,
  c: f64,
  d: f64,
  time: f64,
});
const AT_ONCE = 1000;
/** The writer measures alone; then the reader reads what no process writes; then both work; then both end. */
const PHASE = { WRITE: 0, READ: 1, BOTH: 2, END: 3 } as const;

function open(key: number): Latest {
  return Latest.openOrCreate({ key, size: 64 });
}

async function pingAwait(part: Part): Promise<void> {
  const key = Number(part.address);
  using questions = open(key);
  using answers = open(key + 1);
  using writer = questions.writer();
  using reader = answers.reader();
  const message = new Uint8Array(part.size);
  await reader.wait(); // the other side is there
  const trips = new RoundTrips(part);
  for (let i = 0; trips.open; i++) {
    if (part.pause > 0) await trips.pause();
    message[0] = i;
    writer.write(message);
    await reader.wait();
    trips.done();
  }
  trips.end();
}

async function pongAwait(part: Part): Promise<void> {
  const key = Number(part.address);
  using questions = open(key);
  using answers = open(key + 1);
  using writer = answers.writer();
  using reader = questions.reader();
  const meter = new Meter(part);
  meter.begin();
  writer.write(new Uint8Array(part.size));
  let left = part.warm + part.count;
  for await (const { value } of reader.changes()) {
    writer.write(value);
    if (--left === 0) break;
  }
  meter.end(part.count);
}

/** Nanoseconds of one `work`, done for so many milliseconds. */
function nanoseconds(ms: number, work: () => void): number {
  for (let i = 0; i < 20 * AT_ONCE; i++) work();
  const begin = performance.now();
  let done = 0;
  let now = begin;
  for (; now - begin < ms; now = performance.now()) {
    for (let i = 0; i < AT_ONCE; i++) work();
    done += AT_ONCE;
  }
  return (now - begin) * 1e6 / done;
}

function phaseOf(key: number): { segment: Segment; phase: AtomicInt32 } {
  const segment = Segment.openOrCreate({ key: key + 1, size: 4 });
  return { segment, phase: new AtomicInt32(segment, 0) };
}

function enter(phase: AtomicInt32, number: number): void {
  phase.store(number);
  phase.notify();
}

function print(role: string, figures: Readonly<Record<string, number>>): void {
  console.log(JSON.stringify({ role, figures }));
}

function write(part: Part): void {
  const key = Number(part.address);
  using latest = Latest.of(Pose, { key });
  using writer = latest.writer();
  const { segment, phase } = phaseOf(key);
  const pose = { x: 1, y: 2, z: 3, a: 4, b: 5, c: 6, d: 7, time: 0 };
  const writing = (): void => {
    pose.time++;
    writer.write(pose);
  };
  const alone = nanoseconds(part.pause, writing);
  using bytesOf = Latest.openOrCreate({ key: key + 2, size: 64 });
  using bytesWriter = bytesOf.writer();
  const bytes = new Uint8Array(64);
  const copying = nanoseconds(part.pause, () => {
    bytes[0]!++;
    bytesWriter.write(bytes);
  });
  enter(phase, PHASE.READ);
  phase.waitSync(PHASE.READ);
  while (phase.load() === PHASE.BOTH) {
    for (let i = 0; i < AT_ONCE; i++) writing();
  }
  segment.remove();
  print("write", { write: alone, "write, bytes": copying });
}

function read(part: Part): void {
  const key = Number(part.address);
  const { phase } = phaseOf(key);
  phase.waitSync(PHASE.WRITE);
  using latest = Latest.of(Pose, { key });
  using reader = latest.reader();
  let sum = 0;
  const memory = new ArrayBuffer(Pose.size);
  const plain = nanoseconds(
    part.pause,
    () => void (sum += Pose.read(memory).time),
  );
  const reading = (): void => void (sum += reader.read()!.value.time);
  const quiet = nanoseconds(part.pause, reading);
  enter(phase, PHASE.BOTH);
  const busy = nanoseconds(part.pause, reading);
  enter(phase, PHASE.END);
  print("read", {
    "plain read": plain,
    "read": quiet,
    "read, writer at full speed": busy,
  });
  if (Number.isNaN(sum)) throw new Error("a value that no process wrote");
}

await play({ "ping-await": pingAwait, "pong-await": pongAwait, read, write });
