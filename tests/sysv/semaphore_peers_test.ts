/**
 * The same set in C, in Perl and here: the kernel reverts the changes of a killed process, and wakes the
 * waiters, in both directions; a removed set wakes all of them.
 */

import assert from "node:assert/strict";
import { IPC, SEM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import type { Operation } from "../../src/sysv/mod.ts";
import { SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { type Needs, testWith } from "../support/needs.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { CSemaphores, type PeerSet, perlSemaphores } from "./semaphore_peers.ts";
import { withSet } from "./semaphore_scratch.ts";

guardAgainstLeaks();

const inC = new CSemaphores();

const LANGUAGES = [
  ["C", { ...C_NEEDS, tools: ["gcc", "ipcrm"] }, (set: PeerSet) => inC.start(set)],
  ["Perl", { tools: ["perl", "ipcrm"] }, perlSemaphores],
] as const;

/** Taking and giving a lock, in our words and in C's. */
const LOCK: Operation[] = [{ semaphore: 0, add: 0 }, { semaphore: 0, add: 1, undo: true }];
const C_LOCK = [[0, 0, 0], [0, 1, SEM.UNDO]] as const;
const C_TRY = [[0, 0, IPC.NOWAIT], [0, 1, SEM.UNDO]] as const;
const C_UNLOCK = [0, -1, SEM.UNDO] as const;

/** One of our processes, which locks in the way named and then holds it. */
function holder(id: number, how: "op" | "opSync"): Peer {
  return Peer.typescript(`
    import { SemaphoreSet } from "@sysv/shm";
    console.log("began");
    await SemaphoreSet.attach(${id}).${how}(${JSON.stringify(LOCK)});
    console.log("locked");
    setInterval(() => {}, 1000);
  `);
}

for (const [language, needs, start] of LANGUAGES) {
  const both: Needs = { ...needs, tools: [...needs.tools, "deno"] };

  testWith(
    needs,
    `SemaphoreSet: a set that ${language} made has its values, and both change it`,
    async () => {
      const key = freshKey();
      await using other = await start({ key, values: [1, 0, 7] });
      const set = SemaphoreSet.open(key, { count: 3 });
      assert.deepEqual([set.id, set.values()], [other.id, [1, 0, 7]]);
      assert.equal(await other.op([2, -3, 0], [1, 1, 0]), "done");
      assert.deepEqual([set.values(), set.lastPid(1)], [[1, 1, 4], other.pid]);
      set.opSync([{ semaphore: 1, add: 5 }]);
      assert.equal(await other.op([1, -6, IPC.NOWAIT]), "done");
      assert.equal(await other.op([1, -1, IPC.NOWAIT]), `${ERRNO.EAGAIN}`);
      await other.begin([1, -2, 0]);
      while (set.waitingForIncrease(1) === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      set.tryOp([{ semaphore: 1, add: 2 }]);
      assert.equal(await other.peer.line(), "done");
      assert.deepEqual(set.values(), [1, 0, 4]);
    },
  );

  testWith(
    needs,
    `SemaphoreSet.op: gets the lock of a killed ${language} program`,
    () =>
      withSet({ count: 1 }, async (set) => {
        await using other = await start({ id: set.id });
        assert.equal(await other.op(...C_LOCK), "done");
        assert.equal(set.tryOp(LOCK), false);
        const locked = set.op(LOCK);
        other.peer.kill("SIGKILL");
        await locked;
        assert.deepEqual([set.value(0), set.lastPid(0)], [1, Deno.pid]);
      }),
  );

  testWith(
    both,
    `SemaphoreSet.opSync: another process gets the lock of a killed ${language} program`,
    () =>
      withSet({ count: 1 }, async (set) => {
        await using other = await start({ id: set.id });
        assert.equal(await other.op(...C_LOCK), "done");
        await using ours = holder(set.id, "opSync");
        assert.equal(await ours.line(), "began");
        while (set.waitingForZero(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        other.peer.kill("SIGKILL");
        assert.equal(await ours.line(), "locked");
        assert.deepEqual([set.value(0), set.lastPid(0)], [1, ours.pid]);
      }),
  );

  for (const how of ["op", "opSync"] as const) {
    testWith(
      both,
      `SemaphoreSet.${how}: ${language} gets the lock of a killed process`,
      () =>
        withSet({ count: 1 }, async (set) => {
          await using ours = holder(set.id, how);
          assert.equal(await ours.line(), "began");
          assert.equal(await ours.line(), "locked");
          await using other = await start({ id: set.id });
          assert.equal(await other.op(...C_TRY), `${ERRNO.EAGAIN}`);
          await other.begin(...C_LOCK);
          while (set.waitingForZero(0) === 0) {
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          ours.kill("SIGKILL");
          assert.equal(await other.peer.line(), "done");
          assert.equal(set.lastPid(0), other.pid);
          assert.equal(await other.op(C_UNLOCK), "done");
          assert.equal(set.value(0), 0);
        }),
    );
  }

  testWith(
    needs,
    `SemaphoreSet.remove: wakes ${language} with EIDRM`,
    () =>
      withSet({ count: 1 }, async (set) => {
        await using other = await start({ id: set.id });
        await other.begin([0, -1, 0]);
        while (set.waitingForIncrease(0) === 0) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        set.remove();
        assert.equal(await other.peer.line(), `${ERRNO.EIDRM}`);
      }),
  );
}

testWith(
  { tools: ["deno", "ipcrm"] },
  "SemaphoreSet.op and opSync: ipcrm wakes the wait with EIDRM",
  () =>
    withSet({ key: freshKey(), count: 1, values: [1] }, async (set) => {
      const told = assert.rejects(set.op(LOCK), { code: "EIDRM", message: /start over/ });
      await using blocked = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      try { SemaphoreSet.attach(${set.id}).opSync(${JSON.stringify(LOCK)}); } catch (error) {
        console.log(error.code, error.message);
      }
    `);
      while (set.waitingForZero(0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      new Deno.Command("ipcrm", { args: ["-s", `${set.id}`] }).outputSync();
      await told;
      assert.match(
        await blocked.line(),
        /^EIDRM cannot change the semaphores.*for key .*start over$/,
      );
    }),
);
