/**
 * A C struct shared by two Deno processes.
 *
 *     deno run --allow-ffi examples/share_struct.ts              waits for a reading and prints it
 *     deno run --allow-ffi examples/share_struct.ts 21.5 attic   writes one, from another terminal
 *
 * Either may be started first; the one that prints removes the segment. The number that says "there is a reading" is stored with `Atomics`
 * after the rest, so that whoever sees it sees the rest too; plain fields promise no order.
 */

import { cString, f64, Segment, struct, u32 } from "../mod.ts";

const KEY = 0x5eed1001;
const Reading = struct({ celsius: f64, place: cString(32), ready: u32 });

using segment = Segment.openOrCreate({ key: KEY, size: Reading.size });
const reading = segment.view(Reading);
const ready = new Int32Array(segment.buffer, Reading.fields.ready.offset, 1);

const [celsius, place] = Deno.args;
if (celsius !== undefined && place !== undefined) {
  reading.celsius = Number(celsius);
  reading.place = place;
  Atomics.store(ready, 0, 1);
} else {
  while (Atomics.load(ready, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(`${reading.celsius} degrees in the ${reading.place}`);
  segment.remove();
}
