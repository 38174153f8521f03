/** `bench/targets.ts` */

import assert from "node:assert/strict";
import type { CaseResult } from "../../bench/result.ts";
import { checkTargets } from "../../bench/targets.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

/** Whether the one target that `name` describes is met by these figures. */
function met(name: RegExp, figures: Readonly<Record<string, number>>): boolean | undefined {
  const cases = Object.entries(figures).map(([one, figure]): CaseResult =>
    madeUpCase(one, [figure])
  );
  const found = checkTargets(madeUpResult(cases)).filter(({ target }) => name.test(target));
  assert.equal(found.length, 1, String(name));
  return found[0]!.met;
}

Deno.test("without figures no target is met or missed", () => {
  const targets = checkTargets(madeUpResult([]));
  assert.equal(targets.length, 15);
  assert(targets.every((one) => one.met === undefined));
});

Deno.test("half of the C twin's rate is enough, less is not", () => {
  const beside = (ours: number): boolean | undefined =>
    met(/^TS to TS, 8 B, batched/, {
      "throughput/channel-ts-ts/8": ours,
      "throughput/channel-c-c/8": 100e6,
    });
  assert.equal(beside(50e6), true);
  assert.equal(beside(49.9e6), false);
});

Deno.test("each size has its own share of the C twin's rate", () => {
  for (
    const [name, size, least, below] of [
      [/^TS to TS, 64 B, batched/, 64, 50, 49],
      [/^TS to TS, 1 KiB/, 1024, 50, 49],
      [/^TS to TS, 64 KiB/, 65536, 95, 94],
    ] as const
  ) {
    const beside = (ours: number): boolean | undefined =>
      met(name, {
        [`throughput/channel-ts-ts/${size}`]: ours,
        [`throughput/channel-c-c/${size}`]: 100,
      });
    assert.equal(beside(least), true, String(name));
    assert.equal(beside(below), false, String(name));
    assert.equal(met(name, { [`throughput/channel-ts-ts/${size}`]: 1 }), undefined, String(name));
  }
});

Deno.test("25 million messages are asked for only where the C twin does 60", () => {
  const absolute = (ours: number, twin: number): boolean | undefined =>
    met(/^TS to TS, 64 B: at least 25 M/, {
      "throughput/channel-ts-ts/64": ours,
      "throughput/channel-c-c/64": twin,
    });
  assert.equal(absolute(25e6, 60e6), true);
  assert.equal(absolute(24e6, 60e6), false);
  assert.equal(absolute(24e6, 59e6), undefined);
});

Deno.test("round trips are judged by what spins beside them", () => {
  const bare = (ours: number): boolean | undefined =>
    met(/1\.5x Node's bare spin/, {
      "roundTrip/channel-ts-ts/64": ours,
      "roundTrip/node-shm/64": 100,
    });
  assert.equal(bare(150), true);
  assert.equal(bare(151), false);
  const absolute = (ours: number, c: number): boolean | undefined =>
    met(/at most 1 us/, { "roundTrip/channel-ts-ts/64": ours, "roundTrip/channel-c-c/64": c });
  assert.equal(absolute(1000, 300), true);
  assert.equal(absolute(1001, 300), false);
  assert.equal(absolute(1001, 301), undefined);
  assert.equal(met(/at most 3 us/, { "roundTrip/channel-await/64": 3000 }), true);
  assert.equal(met(/at most 3 us/, { "roundTrip/channel-await/64": 3001 }), false);
});

Deno.test("against a socket: woken no slower, fifty times the rate, a fiftieth of the round trip", () => {
  const woken = (ours: number): boolean | undefined =>
    met(/woken/, { "wake/channel-await/64": ours, "wake/deno-unix/64": 100 });
  assert.equal(woken(100), true);
  assert.equal(woken(101), false);
  const rate = (ours: number): boolean | undefined =>
    met(/^throughput, 64 B/, {
      "throughput/channel-ts-ts/64": ours,
      "throughput/deno-unix/64": 100,
    });
  assert.equal(rate(5000), true);
  assert.equal(rate(4999), false);
  const trip = (ours: number): boolean | undefined =>
    met(/50x shorter/, { "roundTrip/channel-ts-ts/64": ours, "roundTrip/deno-unix/64": 5000 });
  assert.equal(trip(100), true);
  assert.equal(trip(101), false);
});

Deno.test("idling and allocation", () => {
  assert.equal(met(/idle/, { "idle/channel-await/-": 0.0099 }), true);
  assert.equal(met(/idle/, { "idle/channel-await/-": 0.01 }), false);
  assert.equal(met(/^drain/, { "allocation/channel-ts-ts/drain": 0.9 }), true);
  assert.equal(met(/^drain/, { "allocation/channel-ts-ts/drain": 1 }), false);
  assert.equal(met(/^claim/, { "allocation/channel-ts-ts/claim": 0 }), true);
  assert.equal(met(/^claim/, { "allocation/channel-ts-ts/claim": 16 }), false);
});

Deno.test("the 25 million hold for 8 B too, from their boundary on", () => {
  const absolute = (ours: number): boolean | undefined =>
    met(/^TS to TS, 8 B: at least 25 M/, {
      "throughput/channel-ts-ts/8": ours,
      "throughput/channel-c-c/8": 60e6,
    });
  assert.equal(absolute(25e6), true);
  assert.equal(absolute(24.9e6), false);
});

Deno.test("a target is judged by the median of the rounds", () => {
  const idle = (...figures: number[]): boolean | undefined =>
    checkTargets(madeUpResult([madeUpCase("idle/channel-await/-", figures)]))
      .find(({ target }) => target.startsWith("idle"))!.met;
  assert.equal(idle(0.001, 0.002, 0.9), true);
  assert.equal(idle(0.001, 0.02, 0.9), false);
});
