/**
 * The position that gpsd shares, read from its memory with the struct of its own header.
 *
 *     deno run --allow-ffi --allow-read=/usr/include/gps.h examples/gps.ts       waits for a position, prints it
 *     deno run --allow-ffi --allow-read=/usr/include/gps.h examples/gps.ts 60    the next 60
 *
 * The header is in Debian's package libgps-dev. gpsd writes whenever its receiver says something, and waits
 * for no reader: the two numbers around its data say whether a copy is whole.
 */

import { AtomicInt32, parseStruct, Segment } from "../mod.ts";
import { SeqlockReader } from "../src/sync/mod.ts"; // in other programs: from "@sysv/shm/sync"

const KEY = 0x47505344; // "GPSD"
const header = Deno.readTextFileSync("/usr/include/gps.h");
// The struct around gps_data_t is in gpsd's sources (libgps_shm.c), and not in the header
const Shared = parseStruct(
  `${header}
  struct shmexport_t { int bookend1; struct gps_data_t gpsdata; int bookend2; };`,
  // What the header leaves open: Qt is not used
  { name: "shmexport_t", define: { USE_QT: false } },
);

/** The part of `struct gps_fix_t` that is shown. */
interface Fix {
  readonly time: { readonly tv_sec: bigint };
  readonly mode: number;
  readonly latitude: number;
  readonly longitude: number;
}

// gpsd may run as another user: this program only reads, and takes nothing but numbers
using segment = Segment.open(KEY, { readOnly: true, trust: true });
if (segment.size !== Shared.size) throw new Error("gps.h is of another version than gpsd");
const [finished, begun] = [Shared.fields.bookend1!.offset, Shared.fields.bookend2!.offset];
const reader = new SeqlockReader(segment, { begun, finished });
const written = new AtomicInt32(segment, finished);

const count = Number(Deno.args[0] ?? 1);
let last = 0n;
for (let shown = 0; shown < count;) {
  const number = written.load();
  const { gpsdata } = Shared.view((await reader.read()).buffer);
  const { time, mode, latitude, longitude } = (gpsdata as { fix: Fix }).fix;
  if (mode >= 2 && time.tv_sec !== last) { // MODE_2D, and a new second
    last = time.tv_sec;
    shown++;
    const when = new Date(Number(last) * 1000).toISOString().slice(0, 19);
    console.log(`${when} latitude ${latitude.toFixed(6)} longitude ${longitude.toFixed(6)}`);
  }
  if (shown < count) await written.wait(number);
}
