/** The rule of what may be called unused: what is evidence of a use, and that less than certainty is idle. */

import assert from "node:assert/strict";
import type { ProcessState } from "../../../ffi/processes.ts";
import type { SegmentStat } from "../../../mod.ts";
import type { SemaphoreSetStat } from "../../../src/sysv/mod.ts";
import { segmentSize as latestSize } from "../../../src/latest/shape.ts";
import { segmentSize as topicSize } from "../../../src/topic/shape.ts";
import { GEOMETRY } from "../../../src/channel/lanes.ts";
import { segmentSize } from "../../../src/channel/shape.ts";
import { LAYOUT, SEMAPHORE_COUNT } from "../../../src/mailbox/descriptor.ts";
import type { SemaphoreFacts } from "../../../src/cli/objects/semaphore_facts.ts";
import { Inventory, type SegmentUse, type Use } from "../../../src/cli/objects/unused.ts";
import { segmentStat } from "../../support/objects.ts";

const DEAD = 100;
const ALIVE = 200;
const ZOMBIE = 300;
const STATES: Readonly<Record<number, ProcessState>> = { [ALIVE]: "alive", [ZOMBIE]: "zombie" };

const USER = 1000;
const ATIME = new Date("2026-01-02T03:04:05Z");
/** Nothing speaks for a use of it. */
const LEFT = segmentStat({ id: 1, uid: USER, cpid: DEAD, lpid: DEAD, atime: ATIME });

function setStat(facts: Partial<SemaphoreSetStat> = {}): SemaphoreSetStat {
  const { key, mode, uid, gid, cuid, cgid, ctime } = segmentStat({ uid: USER, key: 7 });
  return { key, id: 9, mode, uid, gid, cuid, cgid, ctime, count: 1, otime: ATIME, ...facts };
}

function semaphore(facts: Partial<SemaphoreFacts> = {}): SemaphoreFacts {
  const none = { index: 0, value: 0, waitingForIncrease: 0, waitingForZero: 0 };
  return { ...none, lastPid: DEAD, ...facts };
}

interface Surroundings {
  readonly others?: readonly SegmentStat[];
  readonly sets?: readonly SemaphoreSetStat[];
  readonly semaphores?: readonly SemaphoreFacts[] | undefined;
}

function inventory(
  segments: readonly SegmentStat[],
  { sets = [], ...rest }: Surroundings = {},
): Inventory {
  const semaphores = "semaphores" in rest ? rest.semaphores : [semaphore()];
  return new Inventory({
    segments,
    sets,
    semaphoresOf: () => semaphores,
    stateOf: (pid) => STATES[pid] ?? "gone",
  });
}

function judged(stat: Partial<SegmentStat>, surroundings: Surroundings = {}): SegmentUse {
  const segment = { ...LEFT, ...stat };
  return inventory([segment, ...surroundings.others ?? []], surroundings).segment(segment);
}

function verdict({ verdict, reasons, abandoned }: Use): unknown[] {
  return [verdict, reasons.join("; "), abandoned];
}

Deno.test("Inventory.segment: an orphan is unattached, its processes dead, and its owner has nothing else in use", () => {
  assert.deepEqual(verdict(judged({})), ["orphan", "", true]);
  assert.deepEqual(verdict(judged({ cpid: ZOMBIE })), ["orphan", "", true], "a zombie is dead");
  assert.deepEqual(verdict(judged({ lpid: 0, atime: null })), ["orphan", "", true]);
  const { creator, lastUser, idleSince, ownerAttached, ownerSets, kind } = judged({
    cpid: ZOMBIE,
    dtime: ATIME,
  });
  assert.deepEqual(
    [creator, lastUser, idleSince, ownerAttached, ownerSets, kind],
    ["zombie", "gone", ATIME, 0, 0, null],
  );
});

Deno.test("Inventory.segment: each sign of a use alone makes it idle, and is told", () => {
  const other = segmentStat({ id: 2, uid: USER, nattch: 1 });
  const rows: readonly (readonly [Partial<SegmentStat>, Surroundings, string, boolean | null])[] = [
    [{ cpid: ALIVE }, {}, "its creator, process 200, is alive", false],
    [{ lpid: ALIVE }, {}, "its last user, process 200, is alive", true],
    [{ cpid: 0 }, {}, "its creator is of another pid namespace", null],
    [{ lpid: 0 }, {}, "its last user is of another pid namespace", true],
    [{}, { others: [other] }, "its owner also has 1 attached segment", true],
    [
      {},
      { sets: [setStat()], semaphores: [semaphore({ lastPid: ALIVE })] },
      "its owner also has 1 semaphore set that may be in use",
      true,
    ],
    [
      {},
      { sets: [setStat()], semaphores: [semaphore({ waitingForZero: 1 })] },
      "its owner also has 1 semaphore set that may be in use",
      true,
    ],
    [
      {},
      { others: [other, { ...other, id: 3 }], sets: [setStat()], semaphores: undefined },
      "its owner also has 2 attached segments and 1 semaphore set that may be in use",
      true,
    ],
  ];
  for (const [stat, surroundings, reason, abandoned] of rows) {
    assert.deepEqual(verdict(judged(stat, surroundings)), ["idle", reason, abandoned]);
  }
});

Deno.test("Inventory.segment: what is no sign of a use", () => {
  const other = segmentStat({ id: 2, uid: USER, nattch: 1 });
  const rows: readonly Surroundings[] = [
    { others: [{ ...other, uid: USER + 1 }] },
    { others: [{ ...other, nattch: 0 }] },
    // A private segment that goes with its processes: the usual way of X clients
    { others: [{ ...other, markedForRemoval: true }] },
    { sets: [setStat()] },
    { sets: [setStat({ uid: USER + 1 })], semaphores: [semaphore({ lastPid: ALIVE })] },
  ];
  for (const surroundings of rows) {
    assert.equal(judged({}, surroundings).verdict, "orphan", JSON.stringify(surroundings));
  }
});

Deno.test("Inventory.segment: attached is in use, and does not count as its owner's other", () => {
  assert.deepEqual(verdict(judged({ nattch: 2 })), ["in use", "attached 2 times", false]);
  assert.deepEqual(
    [judged({ nattch: 2 }).ownerAttached, judged({ nattch: 2 }).idleSince],
    [0, null],
  );
});

Deno.test("Inventory.segment: a mailbox is known by size and set, a channel is kept or may hold messages", () => {
  const mailbox = { key: 7, size: LAYOUT.size };
  const beside = { sets: [setStat({ count: SEMAPHORE_COUNT })] };
  assert.equal(judged(mailbox, beside).kind, "mailbox");
  assert.equal(judged(mailbox, beside).verdict, "orphan");
  assert.equal(judged({ ...mailbox, size: 2048 }, beside).kind, null);
  assert.equal(judged(mailbox).kind, null);
  assert.equal(
    judged({ ...mailbox, key: 0 }, { sets: [setStat({ key: 0, count: 6 })] }).kind,
    null,
  );

  const lanes = 2;
  const channel = {
    ...LEFT,
    key: 7,
    size: segmentSize({ lanes, laneCapacity: 4096, messageSize: 0 }),
  };
  const count = GEOMETRY.semaphoreCount(lanes);
  const withDisposable = (value: number): Inventory =>
    inventory([channel], {
      sets: [setStat({ count })],
      semaphores: Array.from({ length: count }, (_, index) =>
        semaphore({ index, value: index === count - 1 ? value : 0 })),
    });
  const said = (use: SegmentUse): unknown[] => [use.kind, use.verdict, use.reasons.join()];
  assert.deepEqual(said(withDisposable(1).segment(channel)), [
    "channel",
    "idle",
    "it is a channel, in which messages may wait",
  ]);
  assert.deepEqual(said(withDisposable(0).segment(channel)), [
    "channel",
    "idle",
    "it is a channel that is kept",
  ]);
  const looked = (depth: number, kept: boolean): unknown[] =>
    said(withDisposable(1).segment(channel, { depth, kept }));
  assert.deepEqual(looked(0, false), ["channel", "orphan", ""]);
  assert.deepEqual(looked(1, false), ["channel", "idle", "it is a channel with 1 unread message"]);
  assert.deepEqual(looked(0, true), ["channel", "idle", "it is a channel that is kept"]);
});

Deno.test("Inventory.segment: a latest value or a topic is an orphan unless it is kept", () => {
  const kinds = {
    "latest value": [latestSize({ size: 16, cells: 16 }), 4],
    topic: [topicSize({ lanes: 1, laneCapacity: 2048, messageSize: 0 }), 4],
  } as const;
  for (const [noun, [size, count]] of Object.entries(kinds)) {
    const object = { ...LEFT, key: 7, size };
    for (const disposable of [1, 0]) {
      const { verdict, reasons, evidence } = inventory([object], {
        sets: [setStat({ count })],
        semaphores: Array.from(
          { length: count },
          (_, index) => semaphore({ index, value: index === count - 1 ? disposable : 0 }),
        ),
      }).segment(object);
      assert.deepEqual(
        [verdict, ...reasons],
        disposable === 1 ? ["orphan"] : ["idle", `it is a ${noun} that is kept`],
      );
      assert.match(evidence, new RegExp(`, a ${noun} of this library$`));
    }
  }
});

Deno.test("Inventory.set: in use while waited on, last used by the living, or beside an attached segment; never an orphan", () => {
  const used = segmentStat({ id: 2, uid: USER, key: 7, nattch: 1 });
  const rows: readonly (readonly [
    Partial<SemaphoreSetStat>,
    readonly SemaphoreFacts[] | undefined,
    readonly SegmentStat[],
    string,
  ])[] = [
    [{}, [semaphore()], [], "idle "],
    [{}, [semaphore({ lastPid: ALIVE })], [], "in use process 200 used it last and is alive"],
    [{}, [semaphore({ waitingForIncrease: 2 })], [], "in use it is waited on by 2 processes"],
    [{}, [semaphore()], [used], "in use the segment with its key is attached"],
    [{}, undefined, [], "idle this user may not read it"],
    [{}, [semaphore({ lastPid: null })], [], "idle its users are of another pid namespace"],
    [{ otime: null }, [semaphore({ lastPid: null })], [], "idle no process has used it yet"],
    [{ key: 0 }, [semaphore()], [], "idle it has no key: processes that share it inherited its id"],
    [{}, [semaphore()], [{ ...used, key: 8 }], "idle its owner also has 1 attached segment"],
  ];
  for (const [facts, semaphores, segments, expected] of rows) {
    const set = setStat(facts);
    const { verdict, reasons, abandoned } = inventory(segments, { sets: [set], semaphores }).set(
      set,
    );
    assert.deepEqual([`${verdict} ${reasons.join()}`, abandoned], [expected, false]);
  }
});

Deno.test("Inventory.segment: the evidence in words", () => {
  const ago = (ms: number): Date => new Date(Date.now() - ms);
  assert.equal(
    judged({ dtime: ago(3 * 3600e3), lpid: 101 }).evidence,
    "no process attached for 3 h, creator 100 (gone), last user 101 (gone)",
  );
  assert.equal(
    judged({ atime: null, lpid: 0, cpid: ZOMBIE, ctime: ago(2 * 86400e3) }).evidence,
    "never attached, created or changed 2 d ago, creator 300 (ended, not yet waited for)",
  );
  assert.match(judged({ cpid: 0 }).evidence, /creator unknown \(of another pid namespace\)/);
});
