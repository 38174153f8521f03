/** The roles of a Worker, held or waited for, when the Worker ends and its process does not. */

import assert from "node:assert/strict";
import { Role, SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import type { Errand } from "./role_worker.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();

/** A safety net. */
const LONG_MS = 60_000;

const libc = Deno.dlopen("libc.so.6", { unshare: { parameters: ["i32"], result: "i32" } });
/** Whether the system lets a thread leave lists; this leaves none. */
const mayUnshare = libc.symbols.unshare(0) === 0;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Starts the Worker; `next` gives what it says, in order. */
function startWorker(errand: Errand): { worker: Worker; next: () => Promise<string> } {
  const worker = new Worker(new URL("./role_worker.ts", import.meta.url), { type: "module" });
  const said: string[] = [];
  worker.onmessage = ({ data }) => void said.push(data);
  worker.postMessage(errand);
  const next = async (): Promise<string> => {
    const net = Deadline.after(LONG_MS);
    while (said.length === 0) {
      assert(!net.passed, "the Worker says nothing");
      await pause();
    }
    return said.shift()!;
  };
  return { worker, next };
}

async function withSet(body: (set: SemaphoreSet) => Promise<void>): Promise<void> {
  const set = SemaphoreSet.create({ count: 1 });
  try {
    await body(set);
  } finally {
    set.remove();
  }
}

for (const close of [false, true]) {
  for (const how of ["tryAcquire", "acquire", "acquireSync"] as const) {
    const end = close ? "closes itself" : "is terminated";
    testWith(
      { files: true },
      `Role: a Worker's role is free when it ${end} (${how})`,
      () =>
        withSet(async (set) => {
          const { worker, next } = startWorker({ id: set.id, how, close });
          const undoes = await next() === "undoes";
          assert.equal(undoes, mayUnshare);
          assert.equal(await next(), "has it");
          if (undoes) {
            if (!close) worker.terminate();
            const role = new Role(set, 0);
            await role.acquire({ timeout: LONG_MS });
            role.release();
          } else {
            // No unshare here: it stays with the process, and the message says so
            worker.terminate();
            const role = new Role(set, 0);
            assert.throws(
              () => role.acquireSync({ timeout: 10 }),
              /which is this one: another task or Worker/,
            );
          }
        }),
    );
  }
}

for (const how of ["acquire", "acquireSync"] as const) {
  testWith(
    { files: true },
    `Role.${how} of a Worker that is terminated acquires nothing later`,
    () =>
      withSet(async (set) => {
        for (let round = 0; round < 5; round++) {
          const role = new Role(set, 0);
          role.acquireSync();
          const { worker, next } = startWorker({ id: set.id, how });
          // Where its thread cannot leave the list, it keeps what it gets while it blocks
          if (await next() === "keeps" && how === "acquireSync") return worker.terminate();
          // Its wait is with the kernel, on another thread or its own
          while (set.waitingForZero(0) === 0) await pause();
          worker.terminate();
          role.release();
          while (set.waitingForZero(0) > 0) await pause();
          // Had the kernel given it to the Worker, the end of the Worker's thread would free it
          await role.acquire({ timeout: LONG_MS });
          assert.equal(role.held, true);
          if (how === "acquire") {
            // No other process has changed it: there was one wait
            assert.equal(set.value(0), 1);
          }
          role.release();
        }
      }),
  );
}

testWith(
  { files: true },
  "Role.acquire of a Worker acquires it when it is released",
  () =>
    withSet(async (set) => {
      const role = new Role(set, 0);
      role.acquireSync();
      const { worker, next } = startWorker({ id: set.id, how: "acquire" });
      await next();
      while (set.waitingForZero(0) === 0) await pause();
      assert.equal(set.value(0), 1);
      role.release();
      assert.equal(await next(), "has it");
      assert.equal(set.value(0), 1);
      worker.terminate();
    }),
);

testWith(
  { files: true, tools: ["deno"] },
  "Role.acquire of a Worker has its turn beside a process that acquires it again at once",
  () =>
    withSet(async (set) => {
      await using _peer = Peer.typescript(`
        import { Role, SemaphoreSet } from "@sysv/shm";
        const role = new Role(SemaphoreSet.attach(${set.id}), 0);
        console.log("begins");
        for (;;) {
          role.acquireSync();
          for (let i = 0; i < 10_000; i++) Atomics.pause();
          role.release();
        }
      `);
      assert.equal(await _peer.line(), "begins");
      const { worker, next } = startWorker({ id: set.id, how: "acquire" });
      await next();
      assert.equal(await next(), "has it");
      worker.terminate();
    }),
);
