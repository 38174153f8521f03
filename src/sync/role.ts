/**
 * Roles: locks and roles that one process holds and that the kernel takes back when it dies, by
 * SIGKILL too, at once.
 *
 * A role is a semaphore that is 0 while free. Taking it waits for 0 and adds 1 in one step, so there
 * is nothing to initialise and no moment between the two (DESIGN: crash rules; semop(2), SEM_UNDO).
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { isGone } from "../sysv/object_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { checkSemaphore } from "../sysv/semaphore_options.ts";
import { checkSet, SemaphoreSet } from "../sysv/semaphore_set.ts";
import { operate } from "../sysv/semaphore_wait.ts";
import { Deadline } from "./deadline.ts";
import { promised, waitAsync, type Waiting, waitSync } from "../sysv/wait.ts";
import {
  readWaitOptions,
  readWaitSyncOptions,
  timedOut,
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
} from "./wait_schedule.ts";

/**
 * A role or lock that one holder has at a time: one semaphore of a set, which is 0 while it is free.
 *
 * When the process that holds it ends, however it ends, the kernel frees it. Two roles on the same
 * semaphore exclude each other within one process too.
 *
 * A Worker counts as a process of its own: what it holds is freed when it ends, by `terminate()` too,
 * and what it awaits it never gets after that. Where the system forbids unshare(2), as Docker does
 * unless told otherwise, what it holds stays with its process until that ends; `set.setValue(semaphore,
 * 0)` frees it for a program that knows that the Worker has ended.
 *
 * @example A role for one process of many
 * ```ts
 * import { Role, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed2008, count: 2 });
 * const writer = new Role(set, 1);
 * if (writer.tryAcquire()) {
 *   assert.equal(writer.holder, Deno.pid);
 *   writer.release();
 * } else {
 *   console.log(`process ${writer.holder} is the writer already`);
 * }
 * set.remove();
 * ```
 */
export class Role {
  readonly #set: SemaphoreSet;
  readonly #semaphore: number;
  readonly #acquire: PreparedOperations;
  readonly #release: PreparedOperations;
  #held = false;

  /**
   * The role that is semaphore number `semaphore` of `set`.
   *
   * @throws {RangeError} no such semaphore in the set
   */
  constructor(set: SemaphoreSet, semaphore: number) {
    this.#set = checkSet(set, "set");
    checkSemaphore(semaphore, set.count);
    this.#semaphore = semaphore;
    ({ acquire: this.#acquire, release: this.#release } = operationsOn(semaphore));
    Object.freeze(this);
  }

  /**
   * Takes it if nobody holds it, and says whether. Never waits.
   *
   * @throws {ShmError} `EINVAL` or `EIDRM` the set was removed, `EACCES`
   */
  tryAcquire(): boolean {
    const taken = this.#set.tryOp(this.#acquire);
    if (taken) this.#held = true;
    return taken;
  }

  /**
   * Takes it as soon as nobody holds it. When `signal` aborts, the promise rejects with its reason,
   * within 100 ms, and nothing is held.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EIDRM` the set was removed while we waited,
   * or as {@linkcode Role.tryAcquire}
   *
   * @example
   * ```ts
   * import { Role, SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const set = SemaphoreSet.create({ count: 1 });
   * const [one, two] = [new Role(set, 0), new Role(set, 0)];
   * await one.acquire();
   * await assert.rejects(two.acquire({ timeout: 10 }), { code: "ETIMEDOUT" });
   * one.release();
   * await two.acquire();
   * set.remove();
   * ```
   */
  acquire(options: WaitOptions = {}): Promise<void> {
    return promised(() => {
      const { deadline, signal } = readWaitOptions(options);
      return waitAsync(this.acquiring(this.#schedule(deadline)), signal);
    });
  }

  /**
   * As {@linkcode Role.acquire}, blocking the thread.
   *
   * @throws {ShmError} also `EDEADLK` this very role is held already, and the thread that could
   * release it would sleep
   */
  acquireSync(options: WaitSyncOptions = {}): void {
    const { deadline } = readWaitSyncOptions(options);
    if (this.#held) {
      throw new ShmError("acquire the role", undefined, ERRNO.EDEADLK, {
        key: this.#set.key,
        id: this.#set.id,
        remedy: "it is held already: release it first",
      });
    }
    waitSync(this.acquiring(this.#schedule(deadline)));
  }

  /**
   * Takes it, waiting in `schedule`. For the rooms to the right.
   *
   * @internal
   */
  *acquiring(schedule: WaitSchedule): Waiting<void> {
    yield* operate(this.#set, this.#acquire, schedule);
    this.#held = true;
  }

  #schedule(deadline: Deadline = Deadline.never): WaitSchedule {
    return new WaitSchedule(deadline, () => {
      const { holder } = this;
      return timedOut("acquire the role", "semtimedop", {
        key: this.#set.key,
        id: this.#set.id,
        remedy: holder === undefined
          ? undefined
          : `process ${holder} holds it${
            holder === Deno.pid
              ? ", which is this one: another task or Worker, or a Worker that has ended where " +
                "unshare(2) is forbidden"
              : ""
          }`,
      });
    });
  }

  /**
   * Lets it go. Does nothing if it was not taken through this object, or the set is gone: twice is
   * once, and nobody frees what another one holds.
   */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      this.#set.tryOp(this.#release);
    } catch (error) {
      if (!(error instanceof ShmError && isGone(-error.errno))) throw error;
    }
  }

  /** Whether it was taken through this object and not released since. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * The process that holds it, or `undefined` if nobody does; 0 if that process is in another pid
   * namespace.
   *
   * @throws {ShmError} `EINVAL` or `EIDRM` the set was removed, `EACCES`
   */
  get holder(): number | undefined {
    return this.#set.value(this.#semaphore) === 0 ? undefined : this.#set.lastPid(this.#semaphore);
  }
}

/** Taking and releasing a role. */
interface RoleOperations {
  readonly acquire: PreparedOperations;
  readonly release: PreparedOperations;
}

/** Packed once a semaphore number: a mutex makes a role each time it is locked. */
const packed = new Map<number, RoleOperations>();

function operationsOn(semaphore: number): RoleOperations {
  let operations = packed.get(semaphore);
  if (operations === undefined) {
    operations = {
      acquire: SemaphoreSet.prepare([
        { semaphore, add: 0 },
        { semaphore, add: 1, undo: true },
      ]),
      release: SemaphoreSet.prepare([{ semaphore, add: -1, undo: true }]),
    };
    packed.set(semaphore, operations);
  }
  return operations;
}
