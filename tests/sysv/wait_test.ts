/** The two drivers of waiting work. */

import assert from "node:assert/strict";
import { type Wait, waitAsync, type Waiting, waitSync } from "../../src/sysv/wait.ts";
import { yieldBudget } from "../../src/sysv/yield_budget.ts";

/** A wait that writes down how it was carried out. */
function recorded(log: string[], sleep: () => Promise<void> = () => Promise.resolve()): Wait {
  return {
    block: () => log.push("block"),
    sleep: () => {
      log.push("sleep");
      return sleep();
    },
    interrupt: () => log.push("interrupt"),
  };
}

function* work(log: string[], waits: Wait[]): Waiting<string> {
  try {
    for (const wait of waits) yield wait;
    return "done";
  } catch (error) {
    log.push(`caught ${(error as Error).message}`);
    yield recorded(log);
    throw error;
  } finally {
    log.push("cleaned up");
  }
}

Deno.test("waitSync and waitAsync: one blocks, the other sleeps", async () => {
  const log: string[] = [];
  assert.equal(waitSync(work(log, [recorded(log), recorded(log)])), "done");
  assert.equal(await waitAsync(work(log, [recorded(log)])), "done");
  assert.deepEqual(log, ["block", "block", "cleaned up", "sleep", "cleaned up"]);
});

Deno.test("waitAsync: an abort interrupts the wait, is thrown once inside the work, and lets it wait to settle", async () => {
  const log: string[] = [];
  const controller = new AbortController();
  const wait = recorded(log, () => {
    controller.abort(new Error("stop"));
    return Promise.resolve();
  });
  await assert.rejects(waitAsync(work(log, [wait, wait]), controller.signal), /stop/);
  assert.deepEqual(log, ["sleep", "interrupt", "caught stop", "sleep", "cleaned up"]);
});

Deno.test("waitAsync: after an abort the work waits as long as it needs to settle", async () => {
  const log: string[] = [];
  const controller = new AbortController();
  const wait = recorded(log, () => {
    controller.abort(new Error("stop"));
    return Promise.resolve();
  });
  function* settling(): Waiting<void> {
    try {
      yield wait;
    } catch (reason) {
      yield recorded(log);
      yield recorded(log);
      log.push("settled");
      throw reason;
    }
  }
  await assert.rejects(waitAsync(settling(), controller.signal), /stop/);
  assert.deepEqual(log, ["sleep", "interrupt", "sleep", "sleep", "settled"]);
});

Deno.test("waitSync and waitAsync: an error of a wait is thrown inside the work, which cleans up", async () => {
  const failing: Wait = {
    block: () => {
      throw new Error("block failed");
    },
    sleep: () => Promise.reject(new Error("sleep failed")),
  };
  const deaf: Wait = {
    ...failing,
    listen: () => {
      throw new Error("listen failed");
    },
  };
  const log: string[] = [];
  await assert.rejects(waitAsync(work(log, [deaf])), { message: "listen failed" });
  assert.deepEqual(log, ["caught listen failed", "sleep", "cleaned up"]);
  for (const [drive, reason] of [[waitSync, "block"], [waitAsync, "sleep"]] as const) {
    const log: string[] = [];
    const over = async () => await drive(work(log, [failing]));
    await assert.rejects(over, { message: `${reason} failed` });
    assert.deepEqual(log, [
      `caught ${reason} failed`,
      reason,
      "cleaned up",
    ]);
  }
});

Deno.test("waitAsync: uses listen, and sleep if listen is not possible", async () => {
  const log: string[] = [];
  const calling: Wait = {
    ...recorded(log),
    listen: (done) => {
      log.push("listen");
      setTimeout(done, 0);
      return true;
    },
  };
  const unable: Wait = { ...recorded(log), listen: () => false };
  assert.equal(await waitAsync(work(log, [calling, unable])), "done");
  assert.deepEqual(log, ["listen", "sleep", "cleaned up"]);
});

Deno.test("waitAsync: an abort interrupts a wait with listen, and is thrown when the wait is over", async () => {
  const log: string[] = [];
  const controller = new AbortController();
  let over: (() => void) | undefined;
  const calling: Wait = {
    block: () => {},
    sleep: () => Promise.reject(new Error("not asked for")),
    listen: (done) => {
      over = done;
      return true;
    },
    interrupt: () => {
      log.push("interrupt");
      queueMicrotask(over!);
    },
  };
  const result = waitAsync(work(log, [calling]), controller.signal);
  controller.abort(new Error("stop"));
  await assert.rejects(result, /stop/);
  assert.deepEqual(log, ["interrupt", "caught stop", "sleep", "cleaned up"]);
});

Deno.test("waitAsync: work with an aborted signal does not begin", async () => {
  const log: string[] = [];
  await assert.rejects(
    waitAsync(work(log, [recorded(log)]), AbortSignal.abort(new Error("before"))),
    /before/,
  );
  assert.deepEqual(log, []);
});

Deno.test("waitAsync: after a sleep the yield budget is full", async () => {
  const LOOKS = 64;
  // One look at the clock, after which the budget is spent in time
  for (let i = 0; i < LOOKS; i++) await yieldBudget.pause();
  for (const began = performance.now(); performance.now() - began < 10;);
  const turn: Wait = {
    block: () => {},
    sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 0)),
  };
  await waitAsync(work([], [turn]));
  for (let i = 0; i < LOOKS; i++) assert.equal(yieldBudget.pause(), undefined);
});
