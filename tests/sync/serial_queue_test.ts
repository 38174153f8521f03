/** SerialQueue: one task at a time, in the order of asking. */

import assert from "node:assert/strict";

import { SerialQueue } from "../../src/sync/serial_queue.ts";
import type { Waiting } from "../../src/sysv/wait.ts";
import { Deadline } from "../../src/sync/deadline.ts";

const expired = (): Error => new Error("expired");

/** A piece of work that is over when the test says so. */
function work<Result>(): {
  readonly begun: () => boolean;
  readonly end: PromiseWithResolvers<Result>;
  readonly run: () => Waiting<Result>;
} {
  let begun = false;
  const end = Promise.withResolvers<Result>();
  return {
    begun: () => begun,
    end,
    *run(): Waiting<Result> {
      begun = true;
      let result: Result;
      yield {
        block: () => {},
        sleep: () => end.promise.then((value) => result = value),
      };
      return result!;
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("SerialQueue.run: one task at a time and in order, whether it succeeds or fails", async () => {
  const queue = new SerialQueue();
  const pieces = [work<number>(), work<number>(), work<number>()];
  const results = pieces.map(({ run }) => queue.run({}, expired, run));
  assert.equal(queue.waiting, 3);
  await settled();
  assert.deepEqual(pieces.map(({ begun }) => begun()), [true, false, false]);
  pieces[0]!.end.resolve(1);
  assert.equal(await results[0], 1);
  await settled();
  assert.deepEqual(pieces.map(({ begun }) => begun()), [true, true, false]);
  pieces[1]!.end.reject(new Error("failed"));
  await assert.rejects(results[1]!, /failed/);
  pieces[2]!.end.resolve(3);
  assert.equal(await results[2], 3);
  assert.equal(queue.waiting, 0);
});

Deno.test("SerialQueue.run: a task that gives up its turn lets no other overtake those before it", async () => {
  const queue = new SerialQueue();
  const [first, never, last] = [work<void>(), work<void>(), work<void>()];
  const controller = new AbortController();
  const results = [
    queue.run({}, expired, first.run),
    queue.run({ signal: controller.signal }, expired, never.run),
    queue.run({ deadline: Deadline.after(1) }, expired, never.run),
    queue.run({}, expired, last.run),
  ];
  controller.abort(new Error("enough"));
  await assert.rejects(results[1]!, /enough/);
  await assert.rejects(results[2]!, /expired/);
  await settled();
  assert.deepEqual([queue.waiting, last.begun()], [2, false]);
  first.end.resolve();
  await settled();
  assert(last.begun());
  last.end.resolve();
  await Promise.all([results[0], results[3]]);
  assert.equal(never.begun(), false);
});

Deno.test("SerialQueue.run: an aborted signal keeps a task from starting", async () => {
  const queue = new SerialQueue();
  const never = work<void>();
  const signal = AbortSignal.abort(new Error("before"));
  await assert.rejects(queue.run({ signal }, expired, never.run), /before/);
  assert.deepEqual([queue.waiting, never.begun()], [0, false]);
});

Deno.test("SerialQueue.run: a deadline beyond the range of a timer does not end the wait at once", async () => {
  const queue = new SerialQueue();
  const [first, second] = [work<number>(), work<number>()];
  const before = queue.run({}, expired, first.run);
  const behind = queue.run({ deadline: Deadline.after(2 ** 40) }, expired, second.run);
  // Longer than the millisecond after which too long a timer runs out
  await new Promise((resolve) => setTimeout(resolve, 5));
  first.end.resolve(1);
  second.end.resolve(2);
  assert.deepEqual(await Promise.all([before, behind]), [1, 2]);
});
