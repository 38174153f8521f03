/**
 * A 32-bit integer in shared memory that processes wait on until it changes, by futex(2).
 *
 * A process that changes the word wakes the others; a process that sleeps here uses no CPU time. The
 * users of the word define its meaning: mailbox, channel, and the library's callers.
 *
 * The kernel gets the word's address, which after a detach may be unmapped or in another mapping. Every
 * call first checks that the memory is still attached; on this thread that is enough. A detach may
 * overtake a wait on another thread: then futex finds no memory (EFAULT), or compares and waits on
 * what is there now, which it only reads, and the wait ends with `EDETACHED` at its next slice.
 */

import { FUTEX } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { BlockingCalls } from "../../ffi/blocking_calls.ts";
import { futex, futexAsync } from "../../ffi/futex.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkInteger, checkNumber } from "../layout/arguments.ts";
import { checkSegment, memoryOf, type Segment } from "../sysv/segment.ts";
import { AsyncFutex } from "./async_futex.ts";
import type { Deadline } from "./deadline.ts";
import type { Wait, Waiting } from "../sysv/wait.ts";
import {
  MAX_SLICE_MS,
  timedOut,
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
  waitWithin,
  waitWithinSync,
} from "./wait_schedule.ts";

const ALL_WAITERS = 0x7fffffff;
const WORD_SIZE = 4;

/**
 * A wait of at most `ms` milliseconds for `word` to differ from `value`. If it differs already, the wait
 * is over at once. Every 100 ms it checks the word, because a peer may not have sent its wake, and ends
 * if `ended` returns `true`. With its own `futex`, used for this word alone, a waiter stays queued in the
 * kernel from one slice to the next. Internal: used by mailbox and channel.
 */
export let changedFrom: (
  word: AtomicInt32,
  value: number,
  ms: number,
  futex?: AsyncFutex,
  ended?: () => boolean,
) => Wait;

/**
 * A signed 32-bit integer at a 4-byte aligned offset of an attached segment, shared with every process
 * that has the segment attached; in C an `_Atomic int32_t`.
 *
 * Access is atomic and ordered: a process that loads a stored value also sees everything that was
 * written to the segment before that `store`. Every use after detach throws `EDETACHED`.
 *
 * On a read-only attach, `load`, `wait`, `waitSync` and `notify` work; `store`, `add` and
 * `compareExchange` throw `EREADONLY`.
 *
 * @example Notify another process that data is ready
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

  static {
    changedFrom = (word, ...wait) => word.#changedFrom(...wait);
  }

  /**
   * The word at `offset` of `segment`.
   *
   * @throws {RangeError} the offset is not aligned, or the word is not within the segment
   * @throws {ShmError} `EDETACHED`
   */
  constructor(segment: Segment, offset: number) {
    const { size } = checkSegment(segment, "segment");
    const { buffer, pointer } = memoryOf(segment, "use a word of shared memory");
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

  /** The word's memory, if it is still attached. */
  #attached(action: string): Int32Array<ArrayBuffer> {
    if (this.#cell.length === 1) return this.#cell;
    throw new ShmError(action, undefined, "EDETACHED", {
      key: this.#segment.key,
      id: this.#segment.id,
      remedy: "attach the segment again",
    });
  }

  /** The word's memory, if it is still attached and may be written to. */
  #writable(): Int32Array<ArrayBuffer> {
    const cell = this.#attached(CHANGE);
    // A write to a read-only mapping kills the process
    if (!this.#segment.readOnly) return cell;
    throw new ShmError(CHANGE, undefined, "EREADONLY", {
      key: this.#segment.key,
      id: this.#segment.id,
      remedy: "attach it without readOnly; load, wait and notify work on it",
    });
  }

  /**
   * Returns the value. Reads after this see everything that the writer of the value wrote before it.
   *
   * @throws {ShmError} `EDETACHED`
   */
  load(): number {
    return Atomics.load(this.#attached(LOAD), 0);
  }

  /**
   * Stores `value`. Wakes no process: call {@linkcode AtomicInt32.notify}, once for any number of changes.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   * @throws {RangeError} not an integer of 32 bits
   */
  store(value: number): void {
    Atomics.store(this.#writable(), 0, checkInt32(value, "value"));
  }

  /**
   * Atomically adds `summand` modulo 2^32, and returns the value before.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
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
    return Atomics.add(this.#writable(), 0, checkInt32(summand, "summand"));
  }

  /**
   * Atomically stores `replacement` if the value is `expected`, and returns the value before:
   * `replacement` was stored if that is `expected`.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
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
    const cell = this.#writable();
    const word = checkInt32(expected, "expected");
    return Atomics.compareExchange(cell, 0, word, checkInt32(replacement, "replacement"));
  }

  /**
   * Waits until the value differs from `value`, and returns the new value. Returns at once if it differs
   * already: no change between the check and the sleep is missed. A change that was changed back before
   * the check is not seen.
   *
   * A change with {@linkcode AtomicInt32.notify} ends the wait at once. A change without it is noticed
   * soon: the word is checked after 1 ms, then 2 ms, and so on up to every 100 ms.
   *
   * The wait goes on if another process removes the segment: the memory lives as long as it is attached.
   * Pass a `timeout` if the process that changes the word may end.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EDETACHED` the segment is or was detached
   * @throws {RangeError} not an integer of 32 bits
   */
  wait(value: number, options: WaitOptions = {}): Promise<number> {
    return waitWithin(options, (limit) => this.#changing(checkInt32(value, "value"), limit));
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
   * assert.equal(word.waitSync(1), 0); // it is not 1
   * ```
   */
  waitSync(value: number, options: WaitSyncOptions = {}): number {
    return waitWithinSync(options, (limit) => this.#changing(checkInt32(value, "value"), limit));
  }

  *#changing(known: number, deadline: Deadline): Waiting<number> {
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
        const slice = schedule.next({ checked: true });
        yield this.#changedFrom(known, slice, futex ??= new AsyncFutex());
      }
    } finally {
      futex?.close();
    }
  }

  /**
   * Wakes at most `count` of the waiters on the word, in every process. Defaults to all.
   *
   * @returns how many waiters it woke
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} `count` is not an integer from 1 to 2^31 - 1
   */
  notify(count: number = ALL_WAITERS): number {
    // The kernel treats 0 as 1
    checkInteger(count, "count", 1, ALL_WAITERS);
    this.#attached("wake the waiting processes");
    const result = futex(this.#address, FUTEX.WAKE, count, undefined);
    if (result < 0) throw new ShmError("wake the waiting processes", "futex", -result);
    return result;
  }

  #changedFrom(
    value: number,
    ms: number,
    futex?: AsyncFutex,
    ended: () => boolean = () => false,
  ): Wait {
    const asked = futex ?? new AsyncFutex();
    // After a detach the next use of the word throws
    const over = (): boolean =>
      this.#cell.length === 0 || Atomics.load(this.#cell, 0) !== (value | 0) || ended();
    return {
      block: () => this.#block(value, ms, over),
      sleep: async () => {
        this.#attached(WAIT);
        await calls.run(Math.min(ms, MAX_SLICE_MS), (left) => {
          this.#attached(WAIT);
          return futexAsync(this.#address, FUTEX.WAIT, value >>> 0, left);
        });
      },
      listen: (done) => {
        this.#attached(WAIT);
        const finish = (): void => {
          if (futex === undefined) asked.close();
          done();
        };
        return asked.listen(this.#address, value, ms, finish, over);
      },
      interrupt: () => {
        asked.interrupt();
        if (this.#cell.length === 1) this.notify();
      },
    };
  }

  #block(value: number, ms: number, over: () => boolean): void {
    for (let left = ms; left > 0; left -= MAX_SLICE_MS) {
      this.#attached(WAIT);
      const slice = Math.min(left, MAX_SLICE_MS);
      const result = futex(this.#address, FUTEX.WAIT, value >>> 0, slice);
      if ([0, -ERRNO.EAGAIN, -ERRNO.EINTR].includes(result)) return;
      if (result !== -ERRNO.ETIMEDOUT) throw new ShmError(WAIT, "futex", -result);
      if (over()) return;
    }
  }
}

/** Waits on other threads, for systems where there is no other way. */
const calls = new BlockingCalls();

const LOAD = "read the word of shared memory";
const CHANGE = "change the word of shared memory";
const WAIT = "wait for a word of shared memory";

/** Checks a 32-bit integer, signed or unsigned, and returns it signed, as it is stored. */
function checkInt32(value: unknown, name: string): number {
  return checkInteger(value, name, -(2 ** 31), 2 ** 32 - 1) | 0;
}
