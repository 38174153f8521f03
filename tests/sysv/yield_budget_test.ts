/** The budget of promises that settle at once: every loop over them lets the event loop turn. */

import assert from "node:assert/strict";
import {
  AtomicInt32,
  Channel,
  MailboxClient,
  MailboxServer,
  Mutex,
  Role,
  Segment,
  SemaphoreSet,
} from "../../mod.ts";
import { YieldBudget } from "../../src/sysv/yield_budget.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();

/** Asks until there is a pause. Only a safety net ends it otherwise. */
function untilSpent(budget: YieldBudget): Promise<void> {
  const limit = Deadline.after(30_000);
  for (;;) {
    const pause = budget.pause();
    if (pause !== undefined) return pause;
    assert(!limit.passed, "the budget was never spent");
  }
}

Deno.test("YieldBudget.pause: lets timers run, and refills the budget", async () => {
  const budget = new YieldBudget();
  assert.equal(budget.pause(), undefined);
  let ticked = false;
  setTimeout(() => ticked = true, 1);
  const limit = Deadline.after(30_000);
  while (!ticked && !limit.passed) {
    await untilSpent(budget);
    assert.equal(budget.pause(), undefined);
  }
  assert(ticked);
});

Deno.test("YieldBudget.refill: restores the whole budget", async () => {
  const budget = new YieldBudget();
  await untilSpent(budget);
  let asked = 0;
  const limit = Deadline.after(50);
  // With a refill at each promise the budget lasts for ever
  while (!limit.passed) {
    asked++;
    assert.equal(budget.pause(), undefined);
    budget.refill();
  }
  assert(asked > 0);
});

Deno.test("YieldBudget.resolve: settles in the order of the calls, across a pause", async () => {
  const budget = new YieldBudget();
  const order: number[] = [];
  const pause = untilSpent(budget);
  const late = [1, 2, 3].map((n) => budget.resolve(n).then((value) => order.push(value)));
  assert.equal(budget.pause(), pause);
  await Promise.resolve();
  assert.deepEqual(order, []);
  await Promise.all(late);
  assert.deepEqual(order, [1, 2, 3]);
});

/** Awaits `once` in a loop until a timer, a signal and an `AbortSignal.timeout` have come through. */
async function assertLoopTurns(once: () => Promise<unknown>): Promise<void> {
  const net = Deadline.after(60_000);
  const timeout = AbortSignal.timeout(1);
  let ticked = false;
  let signalled = false;
  const heard = (): void => void (signalled = true);
  const timer = setTimeout(() => ticked = true, 1);
  Deno.addSignalListener("SIGWINCH", heard);
  try {
    kill.symbols.kill(Deno.pid, SIGWINCH);
    while (!(ticked && signalled && timeout.aborted)) {
      await once();
      assert(!net.passed, `timer ${ticked}, signal ${signalled}, abort ${timeout.aborted}`);
    }
  } finally {
    clearTimeout(timer);
    Deno.removeSignalListener("SIGWINCH", heard);
  }
}

const SIGWINCH = 28;
const kill = Deno.dlopen("libc.so.6", { kill: { parameters: ["i32", "i32"], result: "i32" } });

Deno.test("SemaphoreSet.op: calls that settle at once let the event loop turn", async () => {
  const set = SemaphoreSet.create({ count: 1 });
  try {
    await assertLoopTurns(() => set.op([{ semaphore: 0, add: 0 }]));
    const refused = [{ semaphore: 0, add: -1 }];
    await assertLoopTurns(() => assert.rejects(set.op(refused, { timeout: 0 })));
  } finally {
    set.remove();
  }
});

Deno.test("Role.acquire and Mutex.lock: calls that succeed at once let the event loop turn", async () => {
  const set = SemaphoreSet.create({ count: 2 });
  try {
    const role = new Role(set, 0);
    const mutex = new Mutex(set, 1);
    await assertLoopTurns(async () => {
      await role.acquire();
      role.release();
    });
    await assertLoopTurns(async () => {
      using _lock = await mutex.lock();
    });
  } finally {
    set.remove();
  }
});

Deno.test("AtomicInt32.wait: calls that return at once let the event loop turn", async () => {
  using segment = Segment.create({ size: 64 });
  segment.remove();
  const word = new AtomicInt32(segment, 0);
  await assertLoopTurns(() => word.wait(1));
});

Deno.test("Producer.send and Consumer.receive: calls that settle at once let the event loop turn", async () => {
  using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const bytes = Uint8Array.of(1);
  await assertLoopTurns(async () => {
    await producer.send(bytes);
    consumer.tryReceive();
  });
  await assertLoopTurns(() => {
    producer.trySend(bytes);
    return consumer.receive();
  });
  producer.trySend(bytes);
  await assertLoopTurns(() => consumer.ready());
  const messages = consumer.messages();
  await assertLoopTurns(() => {
    producer.trySend(bytes);
    return messages.next();
  });
  consumer.drain(() => {});
});

Deno.test("MailboxServer.receive and MailboxClient.post: calls that settle at once let the event loop turn", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  await assertLoopTurns(async () => {
    await client.post("one");
    server.tryReceive();
    server.ack();
  });
  await assertLoopTurns(() => {
    server.ack();
    assert(client.trySend("one"));
    return server.receive();
  });
  server.ack();
});
