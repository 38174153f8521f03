/**
 * The facts of sets that other programs created (ipcmk, core Perl, C), compared with those of ipcs(1) and
 * /proc/sysvipc/sem.
 */

import assert from "node:assert/strict";
import {
  findSemaphoreSet,
  type SemaphoreSetStat,
  setSemaphoreSetPermissions,
} from "../../src/sysv/mod.ts";
import {
  listSemaphoreSets,
  removeSemaphoreSet,
  SemaphoreSet,
  ShmError,
  statSemaphoreSet,
} from "../../mod.ts";
import { ForeignObject, output } from "../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody, NOBODY } from "../support/other_user.ts";
import { freshKey } from "../support/peer.ts";
import { perlSemaphores } from "./semaphore_peers.ts";
import { withSet } from "./semaphore_scratch.ts";

guardAgainstLeaks();

const seconds = (time: Date | null) => time === null ? 0 : time.getTime() / 1000;

/** A set as a line of /proc/sysvipc/sem has it: proc_sysvipc(5). */
function procRow(stat: SemaphoreSetStat): string {
  const { key, id, mode, count, uid, gid, cuid, cgid, otime, ctime } = stat;
  const times = [seconds(otime), seconds(ctime)];
  return [key, id, mode.toString(8), count, uid, gid, cuid, cgid, ...times].join(" ");
}

testWith(
  { tools: ["ipcmk", "ipcrm", "perl", "ipcs", "cat"] },
  "listSemaphoreSets: the same as ipcs and /proc, for sets of all creators",
  async () => {
    using small = ForeignObject.semaphores(3, "0640");
    using large = ForeignObject.semaphores(250);
    await using perl = await perlSemaphores({ key: freshKey(), values: [1, 2, 3] });
    setSemaphoreSetPermissions(small.id, { uid: NOBODY, gid: NOBODY - 1 });
    // Other programs' sets may come and go between the looks
    const ids = [small.id, large.id, perl.id];
    const made = listSemaphoreSets().filter(({ id }) => ids.includes(id));
    assert.deepEqual(made.map(({ count }) => count).sort(), [250, 3, 3]);

    const rowsOf = (program: string, argument: string): string[] =>
      output(program, argument).trim().split("\n").filter((line) =>
        ids.includes(Number(line.trim().split(/\s+/)[1]))
      );
    const rows = rowsOf("cat", "/proc/sysvipc/sem");
    assert.deepEqual(made.map(procRow), rows.map((row) => row.trim().split(/\s+/).join(" ")));

    const listed = rowsOf("ipcs", "-s");
    assert.deepEqual(
      made.map(({ key, id, mode, count }) => [key, id, mode.toString(8), count].join(" ")),
      listed.map((line) => {
        const [key, id, _owner, mode, count] = line.trim().split(/\s+/);
        return [Number(key) | 0, id, mode, count].join(" ");
      }),
    );
    for (const stat of made) {
      assert.deepEqual(statSemaphoreSet(stat.id), stat);
      assert.equal(findSemaphoreSet(stat.key), stat.id);
    }
  },
);

testWith(
  { tools: ["perl", "ipcs"] },
  "SemaphoreSet: values, waiting counts and last process are those of ipcs -i",
  () =>
    withSet({ count: 3, values: [0, 7, 2] }, async (set) => {
      await using perl = await perlSemaphores({ id: set.id });
      await perl.op([1, -3, 0]);
      const signal = AbortSignal.timeout(60_000);
      const waits = [
        set.op([{ semaphore: 0, add: -1 }], { signal }),
        set.op([{ semaphore: 0, add: -2 }], { signal }),
        set.op([{ semaphore: 2, add: 0 }], { signal }),
      ];
      while (set.waitingForIncrease(0) < 2 || set.waitingForZero(2) < 1) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const rows = () =>
        output("ipcs", "-s", "-i", `${set.id}`).split("\n").filter((line) => /^\d/.test(line)).map(
          (line) => line.trim().split(/\s+/).join(" "),
        );
      const expected = [`0 0 2 0 ${Deno.pid}`, `1 4 0 0 ${perl.pid}`, `2 2 0 1 ${Deno.pid}`];
      // Each of the waits is away for a moment between two slices
      let seen = rows();
      for (let i = 0; i < 100 && seen.join() !== expected.join(); i++) seen = rows();
      assert.deepEqual(seen, expected);
      assert.deepEqual(set.values(), [0, 4, 2]);
      assert.equal(set.lastPid(1), perl.pid);
      set.setValues([3, 0, 0]);
      await Promise.all(waits);
    }),
);

testWith({ tools: ["ipcmk", "ipcrm"] }, "removeSemaphoreSet: the second call is EINVAL", () => {
  using made = ForeignObject.semaphores(1);
  removeSemaphoreSet(made.id);
  assert.throws(() => removeSemaphoreSet(made.id), (error) => {
    assert(error instanceof ShmError);
    assert.deepEqual([error.code, error.id], ["EINVAL", made.id]);
    assert.match(error.message, /^cannot remove the semaphore set: .*`ipcs -s` lists/);
    return true;
  });
});

testWith(
  { tools: ["ipcrm"] },
  "statSemaphoreSet: EINVAL for a set that ipcrm removed",
  () =>
    withSet({ key: freshKey(), count: 1 }, (set) => {
      output("ipcrm", "-S", `${set.key}`);
      assert.equal(findSemaphoreSet(set.key), undefined);
      assert.throws(() => set.values(), { code: "EINVAL" });
    }),
);

Deno.test("statSemaphoreSet and removeSemaphoreSet: an impossible id is refused", () => {
  for (const id of [-1, 0.5, 2 ** 31, NaN]) {
    for (const use of [statSemaphoreSet, removeSemaphoreSet]) {
      assert.throws(() => use(id), RangeError, `${id}`);
    }
    assert.throws(() => setSemaphoreSetPermissions(id, {}), RangeError);
  }
  assert.throws(() => findSemaphoreSet(2 ** 32), RangeError);
  assert.throws(() => findSemaphoreSet(0.5), TypeError);
});

testWith(
  { tools: ["deno"], root: true },
  "listSemaphoreSets: sets of others are listed without any permission",
  () =>
    withSet({ key: freshKey(), count: 4, mode: 0o000 }, async (set) => {
      await using peer = asNobody(`
      import { findSemaphoreSet } from "@sysv/shm/sysv";
      import { listSemaphoreSets, statSemaphoreSet } from "@sysv/shm";
      const stat = listSemaphoreSets().find(({ id }) => id === ${set.id});
      console.log(stat.key, stat.mode, stat.count, stat.cuid);
      console.log(statSemaphoreSet(${set.id}).count, findSemaphoreSet(${set.key}));
    `);
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      assert.equal(stdout, `${set.key} 0 4 0\n4 ${set.id}\n`);
    }),
);

Deno.test("findSemaphoreSet: a key that is written unsigned is found", () => {
  const set = SemaphoreSet.create({ key: 0xfedcba98, count: 1 });
  try {
    assert.equal(findSemaphoreSet(0xfedcba98 | 0), set.id);
    assert.equal(set.stat().key, 0xfedcba98 | 0);
  } finally {
    set.remove();
  }
});
