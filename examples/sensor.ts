/**
 * What a C program measures, shown live by any number of programs, each as fast as it likes: a `Latest` whose
 * writer is `sensor.c`.
 *
 *     deno run --allow-ffi examples/sensor.ts --declare > reading.h
 *     gcc -O2 -o sensor -I. -Ic examples/sensor.c -lm
 *     ./sensor 3000 &                                    1000 readings a second
 *     deno run --allow-ffi examples/sensor.ts plot &     a bar for the newest reading, 10 times a second
 *     deno run --allow-ffi examples/sensor.ts range      the least and the most of those it saw
 *
 * The writer never waits for a viewer, and a viewer never sees half a reading. Viewers attach the memory
 * read-only. They do not see every reading: for that, use a `Topic` or a `Channel`.
 */

import { f64, Latest, listSegments, struct, u32 } from "../mod.ts";

const KEY = 0x5eed1032;
const Reading = struct({ degrees: f64, number: u32, last: u32 });

const [role] = Deno.args;
if (role === "--declare") console.log(Reading.declare("Reading"));
else {
  // As soon as the C program has created them
  while (!listSegments().some(({ key }) => key === KEY)) {
    await new Promise((again) => setTimeout(again, 50));
  }
  using readings = Latest.of(Reading, { key: KEY, readOnly: true });
  using reader = readings.reader();
  let least = Infinity;
  let most = -Infinity;
  for await (const { value: { degrees, last }, version, skipped } of reader.changes()) {
    if (role === "plot") {
      const bar = "#".repeat(Math.round(degrees));
      console.log(`${degrees.toFixed(1)} ${bar} ${skipped} skipped`);
      if (last === 0) await new Promise((shown) => setTimeout(shown, 100));
    } else {
      if (least > most) console.log(`from reading ${version} on`);
      least = Math.min(least, degrees);
      most = Math.max(most, degrees);
    }
    if (last !== 0) break;
  }
  if (role !== "plot") console.log(`${least.toFixed(1)} to ${most.toFixed(1)} degrees`);
}
