/**
 * A 32-bit word of shared memory that processes wait on until it changes, by futex(2).
 *
 * Whoever changes the word wakes the others; a process asleep here costs nothing. What the word means
 * is for its users to say: the rooms to the right, and the library's callers.
 *
 * The kernel is given the word's address, which after a detach may be nothing's or another mapping's.
 * Every call looks first whether the memory is still there; that is enough on this thread. A wait on
 * another thread may be overtaken by a detach: then futex finds no memory (EFAULT), or compares and
 * waits on what is there now, which it only reads, and at its next slice the wait is over with
 * `EDETACHED`.
 */

import { FUTEX } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { BlockingCalls } from "../../ffi/blocking_calls.ts";
import { futex, futexAsync } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkInteger, checkNumber } from "../layout/arguments.ts";
import { checkSegment, type Segment } from "../sysv/segment.ts";
import { AsyncFutex } from "./async_futex.ts";
import { Deadline } from "./deadline.ts";
import { promised, type Wait, waitAsync, type Waiting, waitSync } from "../sysv/wait.ts";
import {
  readWaitOptions,
  readWaitSyncOptions,
  timedOut,
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
} from "./wait_schedule.ts";

const EVERYBODY = 0x7fffffff;
const WORD_SIZE = 4;

/**
 * A signed 32-bit word at a 4-byte aligned offset of an attached segment, shared with every process
 * that has it attached; in C an `_Atomic int32_t`.
 *
 * Access is atomic and in order: what was written to the segment before a `store` is seen by who has
 * seen the word stored. Every use after detach throws `EDETACHED`.
 *
 * @example Telling another process that something is ready
 * ```ts
 * import { Segment, AtomicInt32 } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 64 });
 * segment.remove();
 * const ready = new AtomicInt32(segment, 0);
 * const seen = ready.wait(0, { signal: AbortSignal.timeout(5_000) }); // in another process, usually
 * segment.write(new TextEncoder().encode("hello"), 4);
 * ready.store(1);
 * ready.notify();
 * assert.equal(await seen, 1);
 * ```
 */
export class AtomicInt32 {
  readonly #segment: Segment;
  readonly #offset: number;
  readonly #cell: Int32Array<ArrayBuffer>;
  readonly #address: Deno.PointerObject;

  /**
   * The word at `offset` of `segment`.
   *
   * @throws {RangeError} the offset is not aligned, or the word not within the segment
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   */
  constructor(segment: Segment, offset: number) {
    const { buffer, pointer, size } = checkSegment(segment, "segment");
    checkNumber(offset, "offset");
    if (!Number.isInteger(offset) || offset % WORD_SIZE !== 0) {
      throw new RangeError(`offset ${offset} of a word is not a multiple of ${WORD_SIZE}`);
    }
    if (offset < 0 || offset + WORD_SIZE > size) {
      throw new RangeError(`no word at offset ${offset} is within a segment of ${size} bytes`);
    }
    this.#segment = segment;
    this.#offset = offset;
    this.#cell = new Int32Array(buffer, offset, 1);
    this.#address = Deno.UnsafePointer.offset(pointer, offset)!;
    Object.freeze(this);
  }

  /** The word's memory, where it still is. */
  #attached(action: string): Int32Array<ArrayBuffer> {
    if (this.#cell.length === 1) return this.#cell;
    throw new ShmError(action, undefined, "EDETACHED", {
      key: this.#segment.key,
      id: this.#segment.id,
      remedy: "attach the segment again",
    });
  }

  /**
   * Its value now: what was stored before it by the same writer is seen after this.
   *
   * @throws {ShmError} `EDETACHED`
   */
  load(): number {
    return Atomics.load(this.#attached(LOAD), 0);
  }

  /**
   * Stores `value`. Wakes nobody: that is {@linkcode AtomicInt32.notify}, once for any number of changes.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} not an integer of 32 bits
   */
  store(value: number): void {
    Atomics.store(this.#attached(CHANGE), 0, checkInt32(value, "value"));
  }

  /**
   * Adds `summand` modulo 2^32, in one step, and gives the value before.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} not an integer of 32 bits
   *
   * @example
   * ```ts
   * import { Segment, AtomicInt32 } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ size: 64 });
   * segment.remove();
   * const word = new AtomicInt32(segment, 0);
   * assert.equal(word.add(5), 0);
   * assert.equal(word.add(-1), 5);
   * assert.equal(word.load(), 4);
   * ```
   */
  add(summand: number): number {
    return Atomics.add(this.#attached(CHANGE), 0, checkInt32(summand, "summand"));
  }

  /**
   * Stores `replacement` if the value is `expected`, in one step, and gives the value before: it was
   * stored if that is `expected`.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} not an integer of 32 bits
   *
   * @example
   * ```ts
   * import { Segment, AtomicInt32 } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ size: 64 });
   * segment.remove();
   * const word = new AtomicInt32(segment, 0);
   * assert.equal(word.compareExchange(0, 7), 0); // stored
   * assert.equal(word.compareExchange(0, 8), 7); // not stored
   * ```
   */
  compareExchange(expected: number, replacement: number): number {
    const cell = this.#attached(CHANGE);
    const word = checkInt32(expected, "expected");
    return Atomics.compareExchange(cell, 0, word, checkInt32(replacement, "replacement"));
  }

  /**
   * Waits until the value is something else than `value`, and gives what it is then. If it is already,
   * that is at once: between looking and sleeping nothing is missed. A change back before we looked is
   * not seen.
   *
   * Who changes the word and calls {@linkcode AtomicInt32.notify} is noticed at once; who only changes it, soon:
   * the word is looked at after 1 ms, 2 ms, and so on up to every 100 ms.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EDETACHED` the segment is or was detached
   * @throws {RangeError} not an integer of 32 bits
   */
  wait(value: number, options: WaitOptions = {}): Promise<number> {
    return promised(() => {
      const known = checkInt32(value, "value");
      const { deadline, signal } = readWaitOptions(options);
      return waitAsync(this.#changing(known, deadline), signal);
    });
  }

  /**
   * As {@linkcode AtomicInt32.wait}, blocking the thread.
   *
   * @example
   * ```ts
   * import { Segment, AtomicInt32 } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ size: 64 });
   * segment.remove();
   * const word = new AtomicInt32(segment, 0);
   * const timeout = 10;
   * assert.throws(() => word.waitSync(0, { timeout }), { code: "ETIMEDOUT" });
   * assert.equal(word.waitSync(1), 0); // it is no 1
   * ```
   */
  waitSync(value: number, options: WaitSyncOptions = {}): number {
    const known = checkInt32(value, "value");
    return waitSync(this.#changing(known, readWaitSyncOptions(options).deadline));
  }

  *#changing(known: number, deadline: Deadline = Deadline.never): Waiting<number> {
    const schedule = new WaitSchedule(deadline, () =>
      timedOut(WAIT, "futex", {
        key: this.#segment.key,
        id: this.#segment.id,
        remedy: `the word at offset ${this.#offset} is ${known} still`,
      }));
    let futex: AsyncFutex | undefined;
    try {
      for (;;) {
        const now = this.load();
        if (now !== known) return now;
        yield this.changedFrom(known, schedule.next(), futex ??= new AsyncFutex());
      }
    } finally {
      futex?.close();
    }
  }

  /**
   * Wakes those who wait on it, in every process: at most `count` of them, or all.
   *
   * @returns how many were asleep and are awake now
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} a count that is none
   */
  notify(count: number = EVERYBODY): number {
    // Of 0 the kernel makes 1
    checkInteger(count, "count", 1, EVERYBODY);
    this.#attached("wake the waiting processes");
    const result = futex(this.#address, FUTEX.WAKE, count, undefined);
    if (result < 0) throw new ShmError("wake the waiting processes", "futex", -result);
    return result;
  }

  /**
   * A wait of at most `ms` milliseconds for the word to be something else than `value`. If it is
   * something else already the wait is over at once. With a `futex` of its own, for this word alone, a
   * waiter stays with the kernel from one slice to the next.
   *
   * @internal
   */
  changedFrom(value: number, ms: number, futex?: AsyncFutex): Wait {
    const asked = futex ?? new AsyncFutex();
    return {
      block: () => this.#block(value, ms),
      sleep: async () => {
        this.#attached(WAIT);
        await calls.run(ms, (left) => {
          this.#attached(WAIT);
          return futexAsync(this.#address, FUTEX.WAIT, value >>> 0, left);
        });
      },
      listen: (done) => {
        this.#attached(WAIT);
        return asked.listen(this.#address, value, ms, () => {
          if (futex === undefined) asked.close();
          done();
        });
      },
      interrupt: () => {
        asked.interrupt();
        if (this.#cell.length === 1) this.notify();
      },
    };
  }

  #block(value: number, ms: number): void {
    this.#attached(WAIT);
    const result = futex(this.#address, FUTEX.WAIT, value >>> 0, ms);
    const expected = [0, -ERRNO.EAGAIN, -ERRNO.ETIMEDOUT, -ERRNO.EINTR];
    if (!expected.includes(result)) throw new ShmError(WAIT, "futex", -result);
  }
}

/** Waits on other threads, where there is no other way. */
const calls = new BlockingCalls();

const LOAD = "read the word of shared memory";
const CHANGE = "change the word of shared memory";
const WAIT = "wait for a word of shared memory";

/** A word as it is stored, signed. */
function checkInt32(value: unknown, name: string): number {
  return checkInteger(value, name, -(2 ** 31), 2 ** 32 - 1) | 0;
}
