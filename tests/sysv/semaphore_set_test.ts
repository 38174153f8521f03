/** Semaphore sets: atomic operations, undo by the kernel, removal underneath. */

import assert from "node:assert/strict";
import { SemaphoreSet, ShmError } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody, NOBODY } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

/** A set that goes when `body` ends. */
function withSet(count: number, body: (set: SemaphoreSet) => void): void {
  const set = SemaphoreSet.openOrCreate({ key: freshKey(), count });
  try {
    body(set);
  } finally {
    set.remove();
  }
}

Deno.test("a new set is zeros with mode 0600, and found by its key", () => {
  withSet(3, (set) => {
    assert.deepEqual([0, 1, 2].map((n) => set.value(n)), [0, 0, 0]);
    const again = SemaphoreSet.openOrCreate({ key: set.key, count: 3 });
    assert.equal(again.id, set.id);
    const { mode, count, key, otime } = set.stat();
    assert.deepEqual([mode, count, key, otime], [0o600, 3, set.key, null]);
  });
});

Deno.test("operations happen together or not at all", () => {
  withSet(2, (set) => {
    const both = SemaphoreSet.prepare([{ semaphore: 0, add: 1 }, { semaphore: 1, add: -1 }]);
    assert.equal(set.tryOp(both), false);
    assert.equal(set.value(0), 0);
    set.setValue(1, 1);
    assert.equal(set.tryOp(both), true);
    assert.deepEqual([set.value(0), set.value(1), set.lastPid(0)], [1, 0, Deno.pid]);
    assert.equal(set.opSync(both, 1), false);
  });
});

Deno.test("values and numbers out of range fail by name", () => {
  withSet(1, (set) => {
    assert.throws(() => set.value(1), { code: "EINVAL", call: "semctl" });
    assert.throws(() => set.setValue(0, 32768), { code: "ERANGE" });
    const above = SemaphoreSet.prepare([{ semaphore: 0, add: 32767 }, { semaphore: 0, add: 1 }]);
    assert.throws(() => set.tryOp(above), { code: "ERANGE", call: "semop" });
    const outside = SemaphoreSet.prepare([{ semaphore: 7, add: 1 }]);
    assert.throws(() => set.tryOp(outside), { code: "EFBIG" });
  });
  for (const count of [0, -1, 1.5, 32768]) {
    assert.throws(() => SemaphoreSet.openOrCreate({ key: 1, count }), RangeError);
  }
});

Deno.test("a set of another count is somebody else's", () => {
  withSet(3, (set) => {
    for (const count of [2, 4]) {
      assert.throws(() => SemaphoreSet.openOrCreate({ key: set.key, count }), (error) => {
        assert(error instanceof ShmError);
        assert.equal(error.code, "EINVAL");
        assert.match(error.message, /another number of semaphores.*ipcrm -S 0x/);
        return true;
      });
    }
  });
});

Deno.test("a removed set says so; removing twice is once", () => {
  withSet(1, (set) => {
    set.remove();
    set.remove();
    const up = SemaphoreSet.prepare([{ semaphore: 0, add: 1 }]);
    assert.throws(() => set.tryOp(up), { code: "EINVAL", message: /removed.*start over/ });
    assert.throws(() => set.stat(), { code: "EINVAL" });
  });
});

Deno.test("a promise waits without blocking, and for at most its time", async () => {
  const set = SemaphoreSet.openOrCreate({ key: freshKey(), count: 1 });
  try {
    const down = SemaphoreSet.prepare([{ semaphore: 0, add: -1 }]);
    assert.equal(await set.op(down, 1), false);
    const waiting = set.op(down, 60_000);
    assert(set.tryOp(SemaphoreSet.prepare([{ semaphore: 0, add: 1 }])));
    assert.equal(await waiting, true);
    const orphaned = set.op(down, 60_000);
    set.remove();
    assert.equal(await orphaned, false);
  } finally {
    set.remove();
  }
});

testWith({ tools: ["deno"] }, "what a process did with undo goes when it is killed", async () => {
  const set = SemaphoreSet.openOrCreate({ key: freshKey(), count: 2 });
  try {
    await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      const set = SemaphoreSet.openOrCreate({ key: ${set.key}, count: 2 });
      set.tryOp(SemaphoreSet.prepare([
        { semaphore: 0, add: 1, undo: true },
        { semaphore: 1, add: 1 },
      ]));
      console.log("taken");
      setInterval(() => {}, 1000);
    `);
    assert.equal(await peer.line(), "taken");
    assert.deepEqual([set.value(0), set.value(1), set.lastPid(0)], [1, 1, peer.pid]);
    peer.kill("SIGKILL");
    assert(set.opSync(SemaphoreSet.prepare([{ semaphore: 0, add: 0 }]), 60_000));
    assert.deepEqual([set.value(0), set.value(1)], [0, 1]);
    await peer.ended();
  } finally {
    set.remove();
  }
});

testWith(
  { tools: ["deno"], root: true },
  "another user's set is refused unless trusted",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
    import { SemaphoreSet } from "@sysv/shm";
    SemaphoreSet.openOrCreate({ key: ${key}, count: 1, mode: 0o666 });
  `);
    assert.equal((await peer.ended()).stderr, "");
    assert.throws(() => SemaphoreSet.openOrCreate({ key, count: 1 }), {
      code: "EUNTRUSTED",
      message: new RegExp(`uid ${NOBODY}.*trust: true`),
    });
    SemaphoreSet.openOrCreate({ key, count: 1, trust: true }).remove();
  },
);

testWith({ tools: ["deno"], root: true }, "a set we may not use says what to do", async () => {
  const set = SemaphoreSet.openOrCreate({ key: freshKey(), count: 1 });
  try {
    await using peer = asNobody(`
      import { SemaphoreSet } from "@sysv/shm";
      try { SemaphoreSet.openOrCreate({ key: ${set.key}, count: 1 }); } catch (error) { console.log(error.message); }
    `);
    assert.match((await peer.ended()).stdout, /semget.*EACCES.*owner can widen/);
  } finally {
    set.remove();
  }
});
