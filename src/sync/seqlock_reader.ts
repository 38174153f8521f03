/**
 * Whole copies of what another program's seqlock protects: the reader copies, and copies again if a write
 * overlapped. It only reads, so a read-only attach is enough, and the writer never waits for it.
 *
 * A writer announces a write in a first word, writes, and says in a last word that the write is finished.
 * With a counter both are the same word, which is odd in between. The reader loads the last word, copies,
 * and loads the first one. If it is the same number, every byte of the copy is of that write:
 *
 * - SYNC finished: the load of the last word acquires what the write with this number wrote, or later bytes.
 * - SYNC begun: if one byte of the copy is of a later write, then its writer stored the first word before
 *   that byte, and the load of the first word, which comes after the copy, gives another number.
 *
 * SYNC begun needs that the copy's loads come before the load of the first word: `load_fence.ts` does that.
 * V8 keeps plain accesses on their side of a call of `Atomics` (docs/memory_model.md).
 *
 * Numbers are 32 bits: a copy that lasts for exactly 2^32 writes, or 2^31 of a counter, would pass.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkNumber, optionsReader } from "../layout/arguments.ts";
import { checkSegment, type Segment } from "../sysv/segment.ts";
import { pause, type Waiting } from "../sysv/wait.ts";
import { AtomicInt32 } from "./atomic_int32.ts";
import type { Deadline } from "./deadline.ts";
import { loadFence } from "./load_fence.ts";
import {
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
  waitWithin,
  waitWithinSync,
} from "./wait_schedule.ts";

/** Attempts before the first pause: a write is over after some of them, unless its writer was stopped. */
const ATTEMPTS_AT_ONCE = 16;

/** Longer than a write, and as long as a writer that lost its processor may wait for it. */
const LONGEST_PAUSE_MS = 8;

/**
 * The words of a seqlock, and the bytes that it protects. All are offsets in the segment.
 *
 * The words are one `counter`, which is odd during a write, as in Linux; or two words with the number of the
 * write, of which the writer stores `begun` first and `finished` last, as gpsd does.
 *
 * @example
 * ```ts
 * import { i32, struct } from "@sysv/shm";
 * import type { SeqlockOptions } from "@sysv/shm/sync";
 * import assert from "node:assert/strict";
 *
 * const { fields } = struct({ finished: i32, x: i32, y: i32, begun: i32 });
 * const bookends: SeqlockOptions = {
 *   begun: fields.begun.offset,
 *   finished: fields.finished.offset,
 * };
 * assert.deepEqual(bookends, { begun: 12, finished: 0 });
 * ```
 */
export type SeqlockOptions =
  & {
    /** The offset of the first byte to copy. Defaults to 0. */
    readonly offset?: number;
    /** The number of bytes to copy. Defaults to all after `offset`. */
    readonly length?: number;
  }
  & (
    | { readonly counter: number; readonly begun?: never; readonly finished?: never }
    | { readonly begun: number; readonly finished: number; readonly counter?: never }
  );

const readOptions = optionsReader({
  counter: checkNumber,
  begun: checkNumber,
  finished: checkNumber,
  offset: checkNumber,
  length: checkNumber,
});

/**
 * Copies a range of a segment that one writer at a time changes under a seqlock. A copy is whole: all of one
 * write. Every use after detach throws `EDETACHED`.
 *
 * The writer is another program, in C for example. It must order its stores: `begun` (or the odd
 * counter), a fence, the bytes, then `finished` (or the even counter) with release.
 *
 * @example The position that gpsd shares, with two words around it
 * ```ts
 * import { f64, i32, Segment, struct } from "@sysv/shm";
 * import { SeqlockReader } from "@sysv/shm/sync";
 * import assert from "node:assert/strict";
 *
 * const Shared = struct({ finished: i32, latitude: f64, longitude: f64, begun: i32 });
 * using segment = Segment.create({ size: Shared.size });
 * segment.remove();
 * const { begun, finished } = Shared.fields;
 * const reader = new SeqlockReader(segment, { begun: begun.offset, finished: finished.offset });
 *
 * const writer = segment.view(Shared); // in another program, normally
 * writer.begun = 1;
 * writer.latitude = 48.1;
 * assert.equal(reader.tryRead(), undefined); // not whole
 * writer.longitude = 11.5;
 * writer.finished = 1;
 * const { latitude, longitude } = Shared.read((await reader.read()).buffer);
 * assert.deepEqual([latitude, longitude], [48.1, 11.5]);
 * ```
 */
export class SeqlockReader {
  readonly #segment: Segment;
  readonly #begun: AtomicInt32;
  readonly #finished: AtomicInt32;
  readonly #offset: number;
  readonly #length: number | undefined;

  /**
   * A reader of `segment`, which may be attached read-only.
   *
   * @throws {TypeError} The options do not name one counter, or two other words.
   * @throws {RangeError} A word is not aligned, or it or the range is not within the segment.
   * @throws {ShmError} `EDETACHED`
   */
  constructor(segment: Segment, options: SeqlockOptions) {
    checkSegment(segment, "segment");
    const { counter, begun, finished, offset = 0, length } = readOptions(options);
    const first = counter ?? begun;
    const last = counter ?? finished;
    const isMixed = counter !== undefined && (begun ?? finished) !== undefined;
    if (
      first === undefined || last === undefined || isMixed ||
      begun !== undefined && begun === finished
    ) {
      throw new TypeError('"options" takes either counter, or begun and finished of two words');
    }
    this.#segment = segment;
    this.#begun = new AtomicInt32(segment, first);
    this.#finished = first === last ? this.#begun : new AtomicInt32(segment, last);
    this.#offset = offset;
    this.#length = length;
    this.tryRead(); // refuses a range that is not within the segment
    Object.freeze(this);
  }

  /**
   * Copies once. Returns `undefined` if a write overlapped.
   *
   * @throws {ShmError} `EDETACHED`
   */
  tryRead(): Uint8Array<ArrayBuffer> | undefined {
    const number = this.#finished.load(); // SYNC finished
    const copy = this.#segment.read(this.#offset, this.#length);
    loadFence();
    const whole = this.#begun.load() === number; // SYNC begun
    const isWriting = this.#begun === this.#finished && number % 2 !== 0;
    return whole && !isWriting ? copy : undefined;
  }

  /**
   * Copies until a copy is whole. A write that never ends, because its writer was killed, is waited for, until
   * the next writer ends one.
   *
   * @throws {ShmError} `ETIMEDOUT` every copy within the timeout overlapped with a write, `EDETACHED`
   */
  read(options: WaitOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return waitWithin(options, (limit) => this.#reading(limit));
  }

  /**
   * As {@linkcode SeqlockReader.read}, blocking the thread.
   *
   * @example
   * ```ts
   * import { AtomicInt32, Segment } from "@sysv/shm";
   * import { SeqlockReader } from "@sysv/shm/sync";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ size: 64 });
   * segment.remove();
   * const reader = new SeqlockReader(segment, { counter: 0, offset: 4, length: 8 });
   * assert.equal(reader.readSync().length, 8);
   * new AtomicInt32(segment, 0).store(1); // odd: a write that does not end
   * assert.throws(() => reader.readSync({ timeout: 10 }), { code: "ETIMEDOUT" });
   * ```
   */
  readSync(options: WaitSyncOptions = {}): Uint8Array<ArrayBuffer> {
    return waitWithinSync(options, (limit) => this.#reading(limit));
  }

  *#reading(deadline: Deadline): Waiting<Uint8Array<ArrayBuffer>> {
    const schedule = new WaitSchedule(
      deadline,
      () =>
        new ShmError("copy what a seqlock protects", undefined, ERRNO.ETIMEDOUT, {
          key: this.#segment.key,
          id: this.#segment.id,
          remedy: "a write overlapped each time, or its writer was killed in it",
        }),
    );
    for (;;) {
      for (let attempt = 0; attempt < ATTEMPTS_AT_ONCE; attempt++) {
        const copy = this.tryRead();
        if (copy !== undefined) return copy;
      }
      yield pause(Math.min(schedule.next(), LONGEST_PAUSE_MS));
    }
  }
}
