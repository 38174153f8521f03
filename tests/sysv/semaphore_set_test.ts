/** Semaphore sets: created, opened, changed in one step, removed; every wrong use is an exception. */

import assert from "node:assert/strict";
import { IPC } from "../../ffi/constants.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { semget } from "../../ffi/sem.ts";
import { findSemaphoreSet, setSemaphoreSetPermissions } from "../../src/sysv/mod.ts";
import { IPC_PRIVATE, SemaphoreSet, ShmError, statSemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody, NOBODY } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { withSet } from "./semaphore_scratch.ts";

guardAgainstLeaks();

/** Checks the error's code, and its message by pattern. */
function failsWith(code: string, pattern: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ShmError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\.$|\n/);
    return true;
  };
}

Deno.test("SemaphoreSet.create: zeros with mode 0600, found by its key", () =>
  withSet({ key: freshKey(), count: 3 }, (set) => {
    assert.deepEqual(set.values(), [0, 0, 0]);
    assert(set.created);
    const again = SemaphoreSet.open(set.key);
    assert.deepEqual([again.id, again.count, again.created], [set.id, 3, false]);
    assert.equal(findSemaphoreSet(set.key), set.id);
    const { mode, count, key, otime, uid, cuid } = set.stat();
    assert.deepEqual([mode, count, key, otime], [0o600, 3, set.key, null]);
    assert.deepEqual([uid, cuid], [geteuid(), geteuid()]);
  }));

Deno.test("SemaphoreSet.create: the start values are in place when it returns, and otime is set", () =>
  withSet({ count: 3, values: [7, 0, 32767] }, (set) => {
    assert.deepEqual(set.values(), [7, 0, 32767]);
    assert.notEqual(set.stat().otime, null);
    // The touch that sets otime works from every first value
    for (const first of [0, 1, 32767]) {
      const other = SemaphoreSet.create({ count: 1, values: [first] });
      try {
        assert.equal(other.value(0), first);
        assert.notEqual(other.stat().otime, null);
      } finally {
        other.remove();
      }
    }
  }));

Deno.test("SemaphoreSet.create: private sets are new each time and found only by id", () =>
  withSet({ count: 1 }, (one) =>
    withSet({ key: IPC_PRIVATE, count: 1 }, (two) => {
      assert.notEqual(one.id, two.id);
      assert.deepEqual([one.key, two.key], [0, 0]);
      assert.equal(SemaphoreSet.attach(one.id).id, one.id);
      assert.throws(() => SemaphoreSet.open(IPC_PRIVATE), RangeError);
      assert.equal(findSemaphoreSet(IPC_PRIVATE), undefined);
    })));

Deno.test("SemaphoreSet.create and open: a key that is taken, and one that is free", () =>
  withSet({ key: freshKey(), count: 2 }, (set) => {
    assert.throws(
      () => SemaphoreSet.create({ key: set.key, count: 2 }),
      failsWith(
        "EEXIST",
        /create.*set \d+ has 2 semaphores, owner uid.*SemaphoreSet\.open.*ipcrm -S 0x/,
      ),
    );
    assert.equal(SemaphoreSet.openOrCreate({ key: set.key, count: 2 }).created, false);
    set.remove();
    assert.throws(
      () => SemaphoreSet.open(set.key),
      failsWith("ENOENT", /open the semaphore set: semget.*SemaphoreSet\.create/),
    );
    assert.throws(
      () => SemaphoreSet.attach(set.id),
      failsWith("EINVAL", /open.*no semaphore set has this id/),
    );
    const again = SemaphoreSet.openOrCreate({ key: set.key, count: 2 });
    again.remove();
    assert(again.created);
  }));

Deno.test("SemaphoreSet.open and openOrCreate: a set with another count is refused", () =>
  withSet({ key: freshKey(), count: 3 }, ({ key }) => {
    const wrong = failsWith("EINVAL", /another number of semaphores \(3\).*ipcrm -S 0x/);
    for (const count of [2, 4]) {
      assert.throws(() => SemaphoreSet.openOrCreate({ key, count }), wrong);
      assert.throws(() => SemaphoreSet.open(key, { count }), wrong);
    }
    assert.throws(() => SemaphoreSet.open(key, { minCount: 4 }), wrong);
    assert.equal(SemaphoreSet.open(key, { minCount: 2 }).count, 3);
    assert.equal(SemaphoreSet.open(key, { count: 3 }).count, 3);
  }));

Deno.test("SemaphoreSet.othersMayWrite: true if others may change the set, unless this process created it", () =>
  withSet({ key: freshKey(), count: 1, mode: 0o620 }, (set) => {
    assert.equal(set.othersMayWrite, false);
    assert.equal(SemaphoreSet.open(set.key).othersMayWrite, true);
    set.setPermissions({ mode: 0o644 });
    assert.equal(SemaphoreSet.open(set.key).othersMayWrite, false);
  }));

Deno.test("SemaphoreSet.tryOp: all operations or none", () =>
  withSet({ count: 2 }, (set) => {
    const both = [{ semaphore: 0, add: 1 }, { semaphore: 1, add: -1 }];
    assert.equal(set.tryOp(both), false);
    assert.deepEqual(set.values(), [0, 0]);
    set.setValue(1, 1);
    assert.equal(set.tryOp(SemaphoreSet.prepare(both)), true);
    assert.deepEqual([set.values(), set.lastPid(0)], [[1, 0], Deno.pid]);
    assert.throws(() => set.opSync(both, { timeout: 1 }), { code: "ETIMEDOUT" });
    assert.deepEqual(set.values(), [1, 0]);
  }));

Deno.test("SemaphoreSet.tryOp and opSync: an operation that adds 0 waits for zero", () =>
  withSet({ count: 1, values: [1] }, (set) => {
    const zero = SemaphoreSet.prepare([{ semaphore: 0, add: 0 }]);
    assert.equal(set.tryOp(zero), false);
    set.setValue(0, 0);
    assert.equal(set.tryOp(zero), true);
    set.opSync(zero);
  }));

Deno.test("SemaphoreSet.setValues: all values in one step", () =>
  withSet({ count: 3 }, (set) => {
    set.setValues([1, 32767, 0]);
    assert.deepEqual(set.values(), [1, 32767, 0]);
    set.setValues([0, 0, 5]);
    assert.deepEqual([set.value(0), set.value(1), set.value(2)], [0, 0, 5]);
  }));

Deno.test("SemaphoreSet: a bad argument is refused before any system call", () =>
  withSet({ key: freshKey(), count: 2 }, (set) => {
    const { key } = set;
    for (const count of [0, -1, 1.5, 65537, NaN]) {
      assert.throws(() => SemaphoreSet.create({ count }), RangeError, `count ${count}`);
      assert.throws(() => SemaphoreSet.openOrCreate({ key, count }), RangeError);
      assert.throws(() => SemaphoreSet.open(key, { count }), RangeError);
      assert.throws(() => SemaphoreSet.open(key, { minCount: count }), RangeError);
    }
    assert.throws(() => SemaphoreSet.create({ count: 1, mode: 0o1000 }), RangeError);
    assert.throws(() => SemaphoreSet.create({ key: 2 ** 32, count: 1 }), RangeError);
    for (const values of [[], [1], [1, 2, 3], [1, -1], [1, 32768], [1, 0.5], [NaN, 1]]) {
      assert.throws(() => SemaphoreSet.create({ count: 2, values }), RangeError, `${values}`);
      assert.throws(() => set.setValues(values), RangeError, `${values}`);
    }
    for (const value of [-1, 32768, 0.5, NaN]) {
      assert.throws(() => set.setValue(0, value), RangeError, `value ${value}`);
    }
    for (const semaphore of [-1, 2, 0.5, NaN, 65536]) {
      const operation = { semaphore, add: 1 };
      assert.throws(() => set.tryOp([operation]), RangeError, `semaphore ${semaphore}`);
      assert.throws(() => set.opSync([operation]), RangeError);
      for (const read of ["value", "lastPid", "waitingForIncrease", "waitingForZero"] as const) {
        assert.throws(() => set[read](semaphore), RangeError);
      }
      assert.throws(() => set.setValue(semaphore, 1), RangeError);
    }
    for (const add of [32768, -32768, 70000, 0.5, NaN]) {
      assert.throws(() => SemaphoreSet.prepare([{ semaphore: 0, add }]), RangeError, `add ${add}`);
    }
    assert.throws(() => set.tryOp([]), RangeError);
    for (const timeout of [-1, NaN]) {
      assert.throws(() => set.opSync([{ semaphore: 0, add: 1 }], { timeout }), RangeError);
    }
    for (const id of [-1, 1.5, 2 ** 31, NaN]) {
      assert.throws(() => SemaphoreSet.attach(id), RangeError, `id ${id}`);
    }
    for (const change of [{ mode: 0o1000 }, { uid: -1 }, { gid: 0xffffffff }]) {
      assert.throws(() => set.setPermissions(change), RangeError, JSON.stringify(change));
    }
    assert.deepEqual(set.values(), [0, 0]);
  }));

Deno.test("SemaphoreSet.remove: later calls are EINVAL; a second remove never removes another set", () =>
  withSet({ key: freshKey(), count: 1 }, (set) => {
    const other = SemaphoreSet.attach(set.id);
    set.remove();
    set.remove();
    other.remove();
    const gone = failsWith("EINVAL", /removed, perhaps with ipcrm: start over/);
    assert.throws(() => set.tryOp([{ semaphore: 0, add: 1 }]), gone);
    assert.throws(() => set.opSync([{ semaphore: 0, add: 1 }]), gone);
    assert.throws(() => set.stat(), gone);
    assert.throws(() => set.value(0), gone);
    assert.throws(() => set.values(), gone);
    assert.throws(() => set.setValues([1]), gone);
    assert.throws(
      () => statSemaphoreSet(set.id),
      failsWith("EINVAL", /no semaphore set has this id/),
    );
    assert.throws(
      () => set.setPermissions({ mode: 0o600 }),
      failsWith("EINVAL", /no semaphore set has/),
    );
  }));

Deno.test("SemaphoreSet.setPermissions: changes mode and owner, and nothing that was left out", () =>
  withSet({ count: 1, mode: 0o600 }, (set) => {
    const { uid, gid } = set.stat();
    set.setPermissions({ mode: 0o640 });
    assert.deepEqual([set.stat().mode, set.stat().uid, set.stat().gid], [0o640, uid, gid]);
    setSemaphoreSetPermissions(set.id, {});
    assert.equal(set.stat().mode, 0o640);
  }));

testWith(
  { tools: ["deno"] },
  "SemaphoreSet.openOrCreate: an opener sees the start values, never the zeros before them",
  async () => {
    const key = freshKey();
    const set = SemaphoreSet.attach(semget(key, 1, IPC.CREAT | IPC.EXCL | 0o600));
    try {
      await using opener = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      console.log("opening");
      const set = SemaphoreSet.openOrCreate({ key: ${key}, count: 1, values: [3] });
      console.log(set.created, set.value(0));
    `);
      assert.equal(await opener.line(), "opening");
      set.setValue(0, 2);
      set.tryOp([{ semaphore: 0, add: 3 }]);
      assert.equal(await opener.line(), "false 5");
    } finally {
      set.remove();
    }
  },
);

testWith(
  { tools: ["deno"] },
  "SemaphoreSet.openOrCreate and create: never fail while another process removes the set all the time",
  async () => {
    const key = freshKey();
    await using remover = Peer.typescript(`
    import { findSemaphoreSet } from "@sysv/shm/sysv";
    import { removeSemaphoreSet } from "@sysv/shm";
    console.log("removing");
    for (;;) {
      const id = findSemaphoreSet(${key});
      try { if (id !== undefined) removeSemaphoreSet(id); } catch { /* gone already */ }
    }
  `);
    assert.equal(await remover.line(), "removing");
    let created = 0;
    let found = 0;
    try {
      for (let round = 0; round < 5_000; round++) {
        if (SemaphoreSet.openOrCreate({ key, count: 2, values: [5, 6] }).created) created++;
        else found++;
        try {
          SemaphoreSet.create({ key, count: 2, values: [5, 6] });
        } catch (error) {
          assert(error instanceof ShmError && error.code === "EEXIST", String(error));
        }
      }
      assert(created > 0 && found > 0, `${created} created, ${found} found`);
    } finally {
      remover.kill("SIGKILL");
      await remover.ended();
      SemaphoreSet.openOrCreate({ key, count: 2 }).remove();
    }
  },
);

testWith(
  { tools: ["deno"], root: true },
  "SemaphoreSet.open and attach: the set of another user is refused without trust",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
    import { SemaphoreSet } from "@sysv/shm";
    SemaphoreSet.openOrCreate({ key: ${key}, count: 1, mode: 0o666 });
  `);
    assert.equal((await peer.ended()).stderr, "");
    const { id, othersMayWrite } = SemaphoreSet.open(key, { trust: true });
    assert(othersMayWrite);
    const squatted = failsWith("EUNTRUSTED", new RegExp(`uid ${NOBODY}.*trust: true`));
    assert.throws(() => SemaphoreSet.openOrCreate({ key, count: 1 }), squatted);
    assert.throws(() => SemaphoreSet.open(key), squatted);
    assert.throws(() => SemaphoreSet.attach(id), squatted);
    // A squatter may change the owner to root, but the creator stays
    setSemaphoreSetPermissions(id, { uid: 0, mode: 0o600 });
    assert.throws(() => SemaphoreSet.open(key), squatted);
    SemaphoreSet.openOrCreate({ key, count: 1, trust: true }).remove();
  },
);

testWith(
  { tools: ["deno"], root: true },
  "SemaphoreSet.open and attach: EACCES describes the set and says what to do",
  () =>
    withSet({ key: freshKey(), count: 1 }, async (set) => {
      await using peer = asNobody(`
      import { SemaphoreSet } from "@sysv/shm";
      const key = ${set.key};
      for (const open of [
        () => SemaphoreSet.openOrCreate({ key, count: 1 }),
        () => SemaphoreSet.open(key),
        () => SemaphoreSet.attach(${set.id}),
      ]) {
        try { open(); } catch (error) { console.log(error.code, error.call, error.message); }
      }
    `);
      const lines = (await peer.ended()).stdout.trim().split("\n");
      assert.match(lines[0]!, /^EACCES semget .*owner can widen/);
      const described = /^EACCES semctl .*\(set \d+ has 1 semaphores, owner uid 0, mode 0600\)/;
      assert.match(lines[1]!, described);
      assert.match(lines[2]!, described);
    }),
);

testWith(
  { tools: ["deno"], root: true },
  "SemaphoreSet: an owner without any permission can still stat, change and remove the set, and nothing else",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
      import { findSemaphoreSet, setSemaphoreSetPermissions } from "@sysv/shm/sysv";
      import { SemaphoreSet, statSemaphoreSet } from "@sysv/shm";
      const report = (action) => { try { console.log(action()); } catch (error) {
        console.log(error.code + " " + error.message); } };
      const set = SemaphoreSet.create({ key: ${key}, count: 1, mode: 0o000 });
      report(() => set.value(0));
      report(() => set.tryOp([{ semaphore: 0, add: 1 }]));
      report(() => set.stat().mode);
      report(() => statSemaphoreSet(set.id).count);
      set.setPermissions({ mode: 0o600 });
      report(() => set.tryOp([{ semaphore: 0, add: 1 }]));
      setSemaphoreSetPermissions(set.id, { mode: 0o000 });
      set.remove();
      report(() => findSemaphoreSet(${key}));
      report(() => SemaphoreSet.create({ key: ${key}, count: 1, mode: 0o000, values: [1] }));
      report(() => findSemaphoreSet(${key}));
    `);
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    const lines = stdout.trim().split("\n");
    assert.match(lines[0]!, /^EACCES cannot read a semaphore: semctl.*mode 0000.*owner can widen/);
    assert.match(lines[1]!, /^EACCES cannot change the semaphores: semop.*mode 0000/);
    assert.deepEqual(lines.slice(2, 6), ["0", "1", "true", "undefined"]);
    assert.match(lines[6]!, /^EACCES cannot set the start values/);
    assert.equal(lines[7], "undefined");
  },
);
