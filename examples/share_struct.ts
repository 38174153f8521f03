/**
 * A C struct shared by two Deno processes.
 *
 *     deno run --allow-ffi examples/share_struct.ts              waits for a reading and prints it
 *     deno run --allow-ffi examples/share_struct.ts 21.5 attic   writes one, from another terminal
 *
 * Either may be started first; the one that prints removes the segment. The word that says "there is a reading"
 * is stored last, so that a process that sees it sees the rest too. Plain fields have no order.
 */

import { AtomicInt32, cString, f64, i32, Segment, struct } from "../mod.ts";

const KEY = 0x5eed1001;
const Reading = struct({ celsius: f64, place: cString(32), ready: i32 });

using segment = Segment.openOrCreate({ key: KEY, size: Reading.size });
const reading = segment.view(Reading);
const ready = new AtomicInt32(segment, Reading.fields.ready.offset);

const [celsius, place] = Deno.args;
if (celsius !== undefined && place !== undefined) {
  reading.celsius = Number(celsius);
  reading.place = place;
  ready.store(1);
  ready.notify();
} else {
  await ready.wait(0);
  console.log(`${reading.celsius} degrees in the ${reading.place}`);
  segment.remove();
}
