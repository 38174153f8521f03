/** `bench/targets.ts` */

import assert from "node:assert/strict";
import { MEASURES } from "../../bench/result.ts";
import {
  casesOfTarget,
  type Checked,
  checkTargets,
  figuresText,
  matching,
  TARGETS,
  valueText,
} from "../../bench/targets.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

/** The target of that name, beside these figures. */
function check(
  name: string,
  figures: Readonly<Record<string, number | readonly number[]>>,
): Checked {
  const cases = Object.entries(figures).map(([one, figure]) => madeUpCase(one, [figure].flat()));
  const found = checkTargets(madeUpResult(cases)).filter(({ target }) => target.name === name);
  assert.equal(found.length, 1, name);
  return found[0]!;
}

Deno.test("targets: without figures no target is met or missed", () => {
  const targets = checkTargets(madeUpResult([]));
  assert.equal(targets.length, TARGETS.length);
  assert(targets.every(({ met }) => met === undefined));
});

Deno.test("targets: every target has a name of its own, one bar, and cases of known measures", () => {
  assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
  for (const target of TARGETS) {
    assert.notEqual(target.most === undefined, target.least === undefined, target.name);
    for (const name of casesOfTarget(target)) {
      const [measure, peer, variant] = name.split("/");
      assert(measure! in MEASURES && peer && variant, name);
    }
  }
});

for (
  const [name, of, beside, met, missed] of [
    ["mailbox-flowing", "roundTrip/mailbox-await/unpinned", "roundTrip/deno-unix/unpinned", 50, 51],
    [
      "mailbox-flowing-pinned",
      "roundTrip/mailbox-await/pinned",
      "roundTrip/deno-unix/pinned",
      35,
      36,
    ],
    ["mailbox-woken", "wake/mailbox-await/unpinned", "wake/deno-unix/unpinned", 100, 101],
    ["channel-woken", "wake/channel-await/unpinned", "wake/deno-unix/unpinned", 100, 101],
    ["clients", "clients/mailbox-await/6", "clients/mailbox-await/1", 100, 99],
    ["opening-0", "lifecycle/ts/mailboxJoin+0", "lifecycle/c/mailboxJoin+0", 400, 401],
    ["opening-4000", "lifecycle/ts/mailboxJoin+4000", "lifecycle/c/mailboxJoin+4000", 400, 401],
    ["opening-growth", "lifecycle/ts/mailboxJoin+4000", "lifecycle/ts/mailboxJoin+0", 125, 126],
    ["version", "startUp/cli/--version", "startUp/deno-empty/-", 160, 161],
    ["ls", "startUp/cli/ls", "startUp/deno-empty/-", 200, 201],
    ["import", "startUp/import/-", "startUp/deno-empty/-", 180, 181],
    ["distinct", "payload/channel-ts-ts/64", "payload/channel-c-c/64", 50, 49],
    ["distinct-pinned", "payload/channel-ts-ts/64-pinned", "payload/channel-c-c/64-pinned", 50, 49],
    ["8-bytes", "throughput/channel-ts-ts/8", "throughput/channel-c-c/8", 50, 49],
    ["64-bytes", "throughput/channel-ts-ts/64", "throughput/channel-c-c/64", 50, 49],
    ["1-kib", "throughput/channel-ts-ts/1024", "throughput/channel-c-c/1024", 50, 49],
    ["64-kib", "throughput/channel-ts-ts/65536", "throughput/channel-c-c/65536", 95, 94],
    ["spinning", "roundTrip/channel-ts-ts/spinning", "roundTrip/channel-c-c/spinning", 130, 131],
  ] as const
) {
  Deno.test(`targets: ${name} is judged beside what it is like`, () => {
    assert.equal(check(name, { [of]: met, [beside]: 100 }).met, true);
    assert.equal(check(name, { [of]: missed, [beside]: 100 }).met, false);
    assert.equal(check(name, { [of]: met }).met, undefined);
  });
}

for (
  const [name, of, met, missed] of [
    ["lines", "lines/cli/20000", 30_000, 30_001],
    ["mailbox-idle", "idle/mailbox-await/unpinned", 0.004, 0.0041],
    ["channel-idle", "idle/channel-await/unpinned", 0.004, 0.0041],
    ["promises", "roundTrip/channel-await/pinned", 3000, 3001],
    ["drain", "allocation/channel-ts-ts/drain", 1, 1.1],
    ["claim", "allocation/channel-ts-ts/claim", 1, 16],
  ] as const
) {
  Deno.test(`targets: ${name} is judged by itself`, () => {
    assert.equal(check(name, { [of]: met }).met, true);
    assert.equal(check(name, { [of]: missed }).met, false);
  });
}

Deno.test("targets: 25 million messages are asked for only where the C twin does 60", () => {
  const met = (ours: number, twin: number): boolean | undefined =>
    check("64-bytes-rate", {
      "throughput/channel-ts-ts/64": ours,
      "throughput/channel-c-c/64": twin,
    }).met;
  assert.equal(met(25e6, 60e6), true);
  assert.equal(met(24e6, 60e6), false);
  assert.equal(met(24e6, 59e6), undefined);
});

Deno.test("targets: a target is judged by the median of the rounds", () => {
  const idle = (...figures: number[]): boolean | undefined =>
    check("channel-idle", { "idle/channel-await/unpinned": figures }).met;
  assert.equal(idle(0.001, 0.002, 0.9), true);
  assert.equal(idle(0.001, 0.02, 0.9), false);
});

Deno.test("targets: a target's text has the ratio and both medians, or the figure", () => {
  const figures = { "wake/mailbox-await/unpinned": 110_000, "wake/deno-unix/unpinned": 100_000 };
  const woken = check("mailbox-woken", figures);
  assert.equal(valueText(woken), "1.10x");
  const result = madeUpResult(
    Object.entries(figures).map(([name, figure]) => madeUpCase(name, [figure])),
  );
  assert.equal(figuresText(woken.target, result), "110 us beside 100 us");
  const lines = check("lines", { "lines/cli/20000": 9000 });
  assert.equal(valueText(lines), "9.00 us");
  assert.equal(figuresText(lines.target, result), "");
});

Deno.test("targets: matching finds the cases that a target compares, or those with it in their names", () => {
  const cases = [
    { names: ["wake/mailbox-await/unpinned"] },
    { names: ["wake/mailbox-await/no-io_uring"] },
    { names: ["startUp/deno-empty/-", "startUp/cli/ls"] },
    { names: ["wake/deno-unix/unpinned"] },
  ];
  const [mailbox, denied, startUps, socket] = cases;
  assert.deepEqual(matching(cases, "mailbox-woken"), [mailbox, socket]);
  assert.deepEqual(matching(cases, "ls"), [startUps]);
  assert.deepEqual(matching(cases, "wake/mailbox"), [mailbox, denied]);
  assert.deepEqual(matching(cases, "nothing"), []);
});
