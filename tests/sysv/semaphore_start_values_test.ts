/** Start values of a set whose creator dies or fails before they are in place. */

import assert from "node:assert/strict";
import { IPC } from "../../ffi/constants.ts";
import { semget } from "../../ffi/sem.ts";
import { findSemaphoreSet } from "../../src/sysv/mod.ts";
import { SemaphoreSet } from "../../mod.ts";
import { START_VALUES } from "../../src/sysv/semaphore_opening.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

const VALUES = [3, 0, 7];
// Every creator here is dead, or never announces values: openers need not wait for long
START_VALUES.waitMs = 50;
/** The calls that follow semget. */
const CALLS = ["semctl", "semop,semtimedop"];
const CREATE = IPC.CREAT | IPC.EXCL;

function open(key: number): SemaphoreSet {
  return SemaphoreSet.openOrCreate({ key, count: VALUES.length, values: VALUES });
}

Deno.test("SemaphoreSet.openOrCreate: creates a set again if its creator died before the start values", () => {
  const key = freshKey();
  const left = semget(key, VALUES.length, CREATE | 0o700);
  const set = open(key);
  try {
    assert.notEqual(set.id, left);
    assert.deepEqual([set.values(), set.created, set.stat().mode], [VALUES, true, 0o600]);
    assert.notEqual(set.stat().otime, null);
    assert.equal(open(key).created, false);
  } finally {
    set.remove();
  }
});

Deno.test("SemaphoreSet.openOrCreate: opens a set whose creator died after the start values", () => {
  const key = freshKey();
  const left = SemaphoreSet.attach(semget(key, VALUES.length, CREATE | 0o600));
  left.setValues(VALUES);
  const set = open(key);
  try {
    assert.deepEqual([set.id, set.created, set.values()], [left.id, false, VALUES]);
    assert.notEqual(set.stat().otime, null);
  } finally {
    set.remove();
  }
});

Deno.test("SemaphoreSet.openOrCreate: ETIMEDOUT for the unused set of another program, which stays as it is", () => {
  const key = freshKey();
  const other = SemaphoreSet.create({ key, count: VALUES.length });
  try {
    assert.throws(() => open(key), {
      code: "ETIMEDOUT",
      message: /start values.*creator died.*ipcrm -S/,
    });
    assert.deepEqual(other.values(), [0, 0, 0]);
    // Without values there is nothing to wait for
    assert.equal(SemaphoreSet.openOrCreate({ key, count: VALUES.length }).id, other.id);
    other.setValues([1, 1, 1]);
    assert.throws(() => open(key), { code: "ETIMEDOUT" });
    assert.deepEqual(other.values(), [1, 1, 1]);
    assert.equal(other.stat().otime, null);
  } finally {
    other.remove();
  }
});

Deno.test("SemaphoreSet.create: a set with start values has the requested mode", () => {
  for (const mode of [0o600, 0o660, 0o700, 0o222]) {
    const set = SemaphoreSet.create({ count: 1, values: [1], mode });
    assert.equal(set.stat().mode, mode);
    set.remove();
  }
});

/** Makes a set with start values under `strace`, which does `what` at the `when`th call of `call`. */
async function creator(key: number, call: string, what: string, when: number): Promise<string> {
  await using peer = Peer.start("strace", [
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    `inject=${call}:${what}:when=${when}`,
    Deno.execPath(),
    "eval",
    "--ext=ts",
    `import { SemaphoreSet } from "${new URL("../../mod.ts", import.meta.url)}";
     try {
       SemaphoreSet.create({ key: ${key}, count: 3, values: [3, 0, 7] });
       console.log("done");
     } catch (error) {
       console.log(error.code);
     }`,
  ]);
  return (await peer.ended()).stdout.trim();
}

testWith(
  { tools: ["strace", "deno"] },
  "SemaphoreSet.create: killed at any of its calls, it does not keep others from the set",
  async () => {
    await Promise.all(CALLS.map(async (call) => {
      for (let when = 1;; when++) {
        const key = freshKey();
        const end = await creator(key, call, "signal=SIGKILL", when);
        const set = open(key);
        assert.deepEqual(set.values(), VALUES, `killed at ${call} ${when}`);
        set.remove();
        if (end === "done") {
          assert(when > 1, `it makes no ${call}`);
          break;
        }
        assert.equal(end, "");
      }
    }));
  },
);

testWith(
  { tools: ["strace", "deno"] },
  "SemaphoreSet.create: a failure of any of its calls leaves no set behind",
  async () => {
    await Promise.all(CALLS.map(async (call) => {
      for (let when = 1;; when++) {
        const key = freshKey();
        const end = await creator(key, call, "error=ENOMEM", when);
        if (end === "done") {
          SemaphoreSet.open(key).remove();
          assert(when > 1, `it makes no ${call}`);
          break;
        }
        assert.equal(end, "ENOMEM");
        assert.equal(findSemaphoreSet(key), undefined, `failed at ${call} ${when}`);
      }
    }));
  },
);

testWith(IN_NAMESPACE, "SemaphoreSet.openOrCreate: E2BIG leaves no set behind", async () => {
  const printed = await inNamespace(
    { sem: "250 32000 1 32" },
    `
    import { findSemaphoreSet } from "@sysv/shm/sysv";
    import { SemaphoreSet } from "@sysv/shm";
    try {
      SemaphoreSet.openOrCreate({ key: 77, count: 1, values: [1] });
    } catch (error) {
      console.log(error.code, findSemaphoreSet(77));
    }
  `,
  );
  assert.equal(printed.trim(), "E2BIG undefined");
});
