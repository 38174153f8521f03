/** Claims: one holder at a time, named, and freed by the kernel. */

import assert from "node:assert/strict";
import { Deadline, SemaphoreSet } from "../../mod.ts";
import { Claim } from "../../src/sync/claim.ts";
import { Slices, timedOut, waitAsync, waitSync } from "../../src/sync/waiting.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

async function withSet(body: (set: SemaphoreSet) => void | Promise<void>): Promise<void> {
  const set = SemaphoreSet.openOrCreate({ key: freshKey(), count: 2 });
  try {
    await body(set);
  } finally {
    set.remove();
  }
}

const slices = (ms: number) => new Slices(Deadline.after(ms), () => timedOut("take", "semop", {}));

Deno.test("one holds it at a time, and is named", () =>
  withSet((set) => {
    const one = new Claim(set, 1);
    const two = new Claim(set, 1);
    assert.equal(one.holder, undefined);
    assert.equal(one.tryTake(), true);
    assert.equal(two.tryTake(), false);
    assert.equal(two.holder, Deno.pid);
    assert.equal(new Claim(set, 0).tryTake(), true);
    one.release();
    assert.equal(two.tryTake(), true);
  }));

Deno.test("releasing what is free changes nothing and does not wait", () =>
  withSet((set) => {
    const claim = new Claim(set, 0);
    claim.release();
    assert.equal(set.value(0), 0);
    assert.equal(claim.tryTake(), true);
  }));

Deno.test("taking waits for the holder, or gives up", () =>
  withSet(async (set) => {
    const one = new Claim(set, 0);
    const two = new Claim(set, 0);
    assert(one.tryTake());
    assert.throws(() => waitSync(two.taking(slices(1))), { code: "ETIMEDOUT" });
    await assert.rejects(waitAsync(two.taking(slices(1))), { code: "ETIMEDOUT" });
    const taking = waitAsync(two.taking(slices(60_000)));
    one.release();
    await taking;
    assert.equal(one.tryTake(), false);
  }));

Deno.test("a waiter of a removed set is told", () =>
  withSet(async (set) => {
    const claim = new Claim(set, 0);
    assert(claim.tryTake());
    const taking = waitAsync(new Claim(set, 0).taking(slices(60_000)));
    set.remove();
    await assert.rejects(taking, { code: "EINVAL", message: /removed/ });
  }));

testWith(
  { tools: ["deno"] },
  "a killed holder's claim is free, a stopped one's is not",
  () =>
    withSet(async (set) => {
      await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      import { Claim } from "file://${PROJECT}src/sync/claim.ts";
      const set = SemaphoreSet.openOrCreate({ key: ${set.key}, count: 2 });
      console.log(new Claim(set, 0).tryTake());
      setInterval(() => {}, 1000);
    `);
      assert.equal(await peer.line(), "true");
      const claim = new Claim(set, 0);
      assert.equal(claim.holder, peer.pid);
      peer.kill("SIGSTOP");
      assert.equal(claim.tryTake(), false);
      peer.kill("SIGKILL");
      await waitAsync(claim.taking(slices(60_000)));
      assert.equal(claim.holder, Deno.pid);
    }),
);
