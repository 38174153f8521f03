/**
 * A reference clock for chronyd or ntpd, which take the time of local clocks from shared memory.
 *
 *     deno run --allow-ffi examples/ntp_clock.ts 2         the system's time once a second, until Ctrl-C
 *     deno run --allow-ffi examples/ntp_clock.ts 2 0.25    a clock that is a quarter of a second ahead
 *
 * The first number is the unit: `refclock SHM 2:perm=0660 noselect` in chrony.conf, and `chronyc sources`
 * shows the clock (without `noselect`, chronyd also follows it). Either may be started first. A user other
 * than root needs the permission bits that `perm` gives, or starts first.
 *
 * The struct is that of the documentation: https://www.ntp.org/documentation/drivers/driver28/
 */

import { AtomicInt32, parseStruct, Segment } from "../mod.ts";

const KEY = 0x4e545030; // "NTP0"
const ShmTime = parseStruct(`
  struct shmTime {
    int mode;                       /* 1: use the values if count is the same before and after reading them */
    volatile int count;
    time_t clockTimeStampSec;       /* the time of the reference clock ... */
    int clockTimeStampUSec;
    time_t receiveTimeStampSec;     /* ... when the system's clock had this time */
    int receiveTimeStampUSec;
    int leap;
    int precision;
    int nsamples;
    volatile int valid;             /* set here, cleared by the reader */
    unsigned clockTimeStampNSec;
    unsigned receiveTimeStampNSec;
    int dummy[8];
  };
`);

const [unit = 2, ahead = 0] = Deno.args.map(Number);
using segment = Segment.openOrCreate({ key: KEY + unit, size: ShmTime.size });
const time = segment.view(ShmTime);
const count = new AtomicInt32(segment, ShmTime.fields.count!.offset);
const valid = new AtomicInt32(segment, ShmTime.fields.valid!.offset);

/** Publishes that the reference clock showed `reference` when the system's clock showed `received`. */
function publish(reference: number, received: number): void {
  valid.store(0);
  count.add(1); // a reader that began before this sees that count is another
  time.mode = 1;
  for (const [name, ms] of Object.entries({ clock: reference, receive: received })) {
    const nanoseconds = Math.round((ms % 1000) * 1e6);
    time[`${name}TimeStampSec`] = BigInt(Math.floor(ms / 1000));
    time[`${name}TimeStampUSec`] = Math.floor(nanoseconds / 1000);
    time[`${name}TimeStampNSec`] = nanoseconds;
  }
  time.leap = 0;
  time.precision = -10; // 2^-10 seconds: Date.now() counts milliseconds
  count.add(1);
  valid.store(1); // a reader that sees this sees all of the above
}

const stop = Promise.withResolvers<void>();
Deno.addSignalListener("SIGINT", () => stop.resolve());
function tick(): void {
  const now = Date.now(); // in place of the first one: the time that your device shows
  publish(now + ahead * 1000, now);
}
tick();
const timer = setInterval(tick, 1000);
console.log(`SHM unit ${unit} has the time, until Ctrl-C`);
await stop.promise;
clearInterval(timer);
// A daemon that has it attached would not see the next one
if (segment.created && segment.stat().nattch === 1) segment.remove();
