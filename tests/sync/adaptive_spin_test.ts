/** AdaptiveSpin: repeated checks for a short time, before sleeping. */

import assert from "node:assert/strict";
import { AdaptiveSpin, checkSpin, spin } from "../../src/sync/adaptive_spin.ts";

/** Both clocks: time passes where a test says so, and a little when the fine one is read. */
class Clock implements Disposable {
  readonly #clocks = [Date.now, performance.now] as const;
  #now = 1000;

  constructor() {
    Date.now = () => Math.floor(this.#now);
    performance.now = () => this.#now += 0.1;
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
  }

  [Symbol.dispose](): void {
    [Date.now, performance.now] = this.#clocks;
  }
}

Deno.test("AdaptiveSpin.look: what is ready is seen at the first look, also without spin time", () => {
  for (const time of [0, 50]) {
    let looks = 0;
    assert(spin(time, () => ++looks > 0));
    assert.equal(looks, 1);
  }
});

Deno.test("AdaptiveSpin.look: once without spin time, else again until the time is over or it is ready", () => {
  let looks = 0;
  assert.equal(spin(0, () => ++looks > 1), false);
  assert.equal(looks, 1);
  looks = 0;
  assert.equal(spin(1, () => ++looks < 0), false);
  assert(looks > 1);
  looks = 0;
  assert(spin(1, () => ++looks === 5));
  assert.equal(looks, 5);
});

/** How often it looks now, for something that does not come. */
function looksInVain(spinning: AdaptiveSpin): number {
  let looks = 0;
  spinning.look(() => ++looks < 0);
  return looks;
}

const A_SECOND = 1_000_000;

/** Something that comes while it spins. */
function comesSoon(): () => boolean {
  let looks = 0;
  return () => ++looks === 3;
}

/** A sleep that is over at once. */
function sleepShortly(spinning: AdaptiveSpin): void {
  spinning.sleeps();
  spinning.woke();
}

Deno.test("AdaptiveSpin: after a long sleep there is no spinning, until a sleep is short", () => {
  using clock = new Clock();
  const spinning = new AdaptiveSpin(1);
  spinning.sleeps();
  clock.pass(5);
  spinning.woke();
  assert.equal(looksInVain(spinning), 1);

  const patient = new AdaptiveSpin(A_SECOND);
  patient.sleeps();
  patient.woke();
  assert(patient.look(comesSoon()));
});

Deno.test("AdaptiveSpin: not after a silence, until a wait is short or the first look succeeds", () => {
  using clock = new Clock();
  const spinning = new AdaptiveSpin(A_SECOND);
  assert(!spinning.look(comesSoon()));
  sleepShortly(spinning);
  assert(spinning.look(comesSoon()));
  clock.pass(5);
  assert(!spinning.look(comesSoon()));
  assert(spinning.look(() => true));
  assert(spinning.look(comesSoon()));
});

Deno.test("AdaptiveSpin: each failure makes it half as frequent, each success twice as frequent", () => {
  using _ = new Clock();
  // Long enough for every sleep below to be short
  const spinning = new AdaptiveSpin(100_000);
  sleepShortly(spinning);
  const restsUntilTried = (): number => {
    let rests = 0;
    while (looksInVain(spinning) === 1) {
      rests++;
      sleepShortly(spinning);
    }
    return rests;
  };
  assert.deepEqual(Array.from({ length: 9 }, restsUntilTried), [0, 1, 2, 4, 8, 16, 32, 64, 64]);
  for (let rests = 64; rests > 0; rests--) sleepShortly(spinning);
  // Chance successes, as where other programs keep the cores busy, do not make it spin every second time
  assert(spinning.look(comesSoon()));
  assert.deepEqual([restsUntilTried(), restsUntilTried()], [0, 32]);
  for (let rests = 64; rests > 0; rests--) sleepShortly(spinning);
  for (let success = 0; success < 7; success++) assert(spinning.look(comesSoon()));
  assert.deepEqual([restsUntilTried(), restsUntilTried()], [0, 1]);
});

Deno.test("AdaptiveSpin.look: without spin time there is always one look", () => {
  const spinning = new AdaptiveSpin(0);
  assert.deepEqual([looksInVain(spinning), looksInVain(spinning)], [1, 1]);
});

Deno.test("AdaptiveSpin: the spin time is from 0 to a second", () => {
  assert.deepEqual([0, 0.5, 1_000_000].map(checkSpin), [0, 0.5, 1_000_000]);
  for (const time of [-1, 1_000_001, NaN, Infinity]) {
    assert.throws(() => checkSpin(time), {
      name: "RangeError",
      message: `spin ${time} is not from 0 to 1000000 microseconds`,
    });
  }
});
