/**
 * Roles: locks and roles that one process holds, and that the kernel releases at once when the process
 * dies, also by SIGKILL.
 *
 * A role is a semaphore that is 0 while free. Acquiring it waits for 0 and adds 1 in one step, so there
 * is nothing to initialise and no moment between the two (DESIGN: crash rules; semop(2), SEM_UNDO).
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { saysGone } from "../sysv/object_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { checkSemaphore } from "../sysv/semaphore_options.ts";
import { checkSet, SemaphoreSet } from "../sysv/semaphore_set.ts";
import { operate } from "../sysv/semaphore_wait.ts";
import type { Waiting } from "../sysv/wait.ts";
import type { Deadline } from "./deadline.ts";
import {
  timedOut,
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
  waitWithin,
  waitWithinSync,
} from "./wait_schedule.ts";

/** Acquires `role`, waiting in `schedule`. Internal: used by the mailbox. */
export let acquiring: (role: Role, schedule: WaitSchedule) => Waiting<void>;

/**
 * A role or lock with one holder at a time: one semaphore of a set, which is 0 while the role is free.
 *
 * When the process that holds it ends for any reason, the kernel frees it. Two `Role` objects on the
 * same semaphore exclude each other within one process too.
 *
 * A Worker counts as its own process: its roles are freed when it ends, also by `terminate()`, and it
 * acquires none after that. Where the system forbids unshare(2), as Docker does by default, the roles
 * of a Worker stay held until its process ends; a program that knows that the Worker has ended can free
 * one with `set.setValue(semaphore, 0)`.
 *
 * @example A role for one process of many
 * ```ts
 * import { Role, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed2008, count: 2 });
 * using writer = new Role(set, 1); // the end of the block releases it
 * if (writer.tryAcquire()) {
 *   assert.equal(writer.holder, Deno.pid);
 * } else {
 *   console.log(`process ${writer.holder} is the writer already`);
 * }
 * set.remove();
 * ```
 */
export class Role implements Disposable {
  readonly #set: SemaphoreSet;
  readonly #semaphore: number;
  readonly #acquire: PreparedOperations;
  readonly #release: PreparedOperations;
  #held = false;

  static {
    acquiring = (role, schedule) => role.#acquiring(schedule);
  }

  /**
   * The role in semaphore number `semaphore` of `set`.
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
   * Acquires the role if it is free, and returns whether it did. Never waits.
   *
   * @throws {ShmError} `EINVAL` or `EIDRM` the set was removed, `EACCES`
   */
  tryAcquire(): boolean {
    const taken = this.#set.tryOp(this.#acquire);
    if (taken) this.#held = true;
    return taken;
  }

  /**
   * Acquires the role as soon as it is free. When `signal` aborts, the promise rejects with its reason
   * within 100 ms, and nothing is held.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EIDRM` the set was removed during the wait,
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
    return waitWithin(options, (deadline) => this.#acquiring(this.#schedule(deadline)));
  }

  /**
   * As {@linkcode Role.acquire}, blocking the thread.
   *
   * @throws {ShmError} also `EDEADLK` this object holds the role already, and the thread that could
   * release it would sleep
   */
  acquireSync(options: WaitSyncOptions = {}): void {
    waitWithinSync(options, (deadline) => {
      if (this.#held) {
        throw new ShmError("acquire the role", undefined, ERRNO.EDEADLK, {
          key: this.#set.key,
          id: this.#set.id,
          remedy: "it is held already: release it first",
        });
      }
      return this.#acquiring(this.#schedule(deadline));
    });
  }

  *#acquiring(schedule: WaitSchedule): Waiting<void> {
    yield* operate(this.#set, this.#acquire, schedule);
    this.#held = true;
  }

  #schedule(deadline: Deadline): WaitSchedule {
    return new WaitSchedule(deadline, () => {
      const { holder } = this;
      return timedOut("acquire the role", "semtimedop", {
        key: this.#set.key,
        id: this.#set.id,
        remedy: holder === undefined
          ? undefined
          : `${formatProcess(holder)} holds it${
            holder === Deno.pid
              ? ", which is this one: another task or Worker, or a Worker that has ended where " +
                "unshare(2) is forbidden"
              : ""
          }`,
      });
    });
  }

  /**
   * Releases the role. Does nothing if this object does not hold it, or the set is gone. So calling it
   * again does nothing, and no process frees another holder's role.
   */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      this.#set.tryOp(this.#release);
    } catch (error) {
      if (!saysGone(error)) throw error;
    }
  }

  /** `using` releases the role at the end of the block. */
  [Symbol.dispose](): void {
    this.release();
  }

  /** Whether this object acquired the role and has not released it since. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * The process that holds the role, or `undefined` if it is free; 0 if that process is in another pid
   * namespace.
   *
   * @throws {ShmError} `EINVAL` or `EIDRM` the set was removed, `EACCES`
   */
  get holder(): number | undefined {
    return this.#set.value(this.#semaphore) === 0 ? undefined : this.#set.lastPid(this.#semaphore);
  }
}

/** The prepared operations that acquire and release a role. */
interface RoleOperations {
  readonly acquire: PreparedOperations;
  readonly release: PreparedOperations;
}

/** Packed once for each semaphore number: a mutex makes a role each time it is locked. */
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
