/**
 * The classic struct in shared memory, flag and text and nothing else: for learning, for looking, and
 * as what the server and the client stand on. It takes no lock and knows no role.
 */

import type { CStringLayout, ScalarLayout, StructLayout, StructView } from "../layout/layout.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { AtomicInt32 } from "../sync/atomic_int32.ts";
import { checkMode } from "../sysv/object_stat.ts";
import { checkSegment, Segment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import { LAYOUT, MAILBOX_KEY, WORD_OFFSET } from "./descriptor.ts";

/**
 * How {@linkcode ShmEntry.open} finds or makes the segment.
 *
 * @example
 * ```ts
 * import { ShmEntry, type ShmEntryOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: ShmEntryOptions = { mode: 0o640 };
 * using entry = ShmEntry.open(0x5eed0018, options);
 * assert.equal(entry.segment.stat().mode, 0o640);
 * entry.segment.remove();
 * ```
 */
export interface ShmEntryOptions {
  /** Permission bits of a new segment; 0o600 if not said. */
  readonly mode?: number;
  /** Accept a segment that another user, not root, created or owns. */
  readonly trust?: boolean;
}

const readEntryOptions = optionsReader({ mode: checkMode, trust: checkFlag });

/**
 * The classic `struct ShmEntry { bool can_read; char msg[2048]; }`, exactly 2049 bytes, in a segment.
 *
 * @example
 * ```ts
 * import { ShmEntry } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using entry = ShmEntry.open(0x5eed0006);
 * entry.segment.remove(); // marked: it goes at the end of this block
 * entry.msg = "hello";
 * entry.canRead = true;
 * assert.equal(entry.segment.size, 2049);
 * assert.deepEqual([entry.canRead, entry.msg], [true, "hello"]);
 * ```
 */
export class ShmEntry implements Disposable {
  readonly #segment: Segment;
  readonly #view: StructView<{ can_read: ScalarLayout<boolean>; msg: CStringLayout }>;
  readonly #flag: Uint8Array<ArrayBuffer>;
  readonly #word: AtomicInt32;

  private constructor(segment: Segment) {
    if (segment.size !== LAYOUT.size) {
      const stat = segment.stat();
      throw wrongSize(stat, stat.nattch - 1);
    }
    this.#segment = segment;
    this.#view = segment.view(LAYOUT);
    this.#flag = new Uint8Array(segment.buffer, LAYOUT.fields.can_read.offset, 1);
    this.#word = new AtomicInt32(segment, WORD_OFFSET);
    Object.freeze(this);
  }

  /** The struct, in C `can_read` at offset 0 and `msg` at 1. */
  static get layout(): StructLayout<{ can_read: ScalarLayout<boolean>; msg: CStringLayout }> {
    return LAYOUT;
  }

  /**
   * Attaches the struct at `key` (1111 if not said), and creates it, empty, if it is not there, as
   * both classic programs do. Unlike them it never resets what is in it.
   *
   * @throws {ShmError} `EINVAL` something of another size holds the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(key: number = MAILBOX_KEY, options: ShmEntryOptions = {}): ShmEntry {
    const read = readEntryOptions(options);
    return ShmEntry.over(Segment.openOrCreate({ ...read, key, size: LAYOUT.size }));
  }

  /**
   * The struct at the start of `segment`, which is detached if it does not hold one.
   *
   * @throws {ShmError} `EINVAL` it has another size, so something else is in it
   */
  static over(segment: Segment): ShmEntry {
    checkSegment(segment, "segment");
    try {
      return new ShmEntry(segment);
    } catch (error) {
      segment.detach();
      throw error;
    }
  }

  /** The segment it is in. */
  get segment(): Segment {
    return this.#segment;
  }

  /** Whether there is an unread message. Any value but 0 counts, as memory may hold anything. */
  get canRead(): boolean {
    return Atomics.load(this.#flag, 0) !== 0;
  }

  /** Publishes the text (`true`) or the empty slot (`false`), and wakes who waits for it. */
  set canRead(value: boolean) {
    Atomics.store(this.#flag, 0, checkFlag(value, "canRead") ? 1 : 0);
    this.#word.notify();
  }

  /** The text: up to the first NUL, or all 2048 bytes; what is no UTF-8 becomes U+FFFD. */
  get msg(): string {
    return this.#view.msg;
  }

  /**
   * Writes the text and NULs to the end.
   *
   * @throws {RangeError} more than 2047 bytes of UTF-8, or a NUL in it; nothing is written then
   */
  set msg(text: string) {
    this.#view.msg = text;
  }

  /**
   * Clears the flag if it says that there is a message, and says whether it did. Of two who try at
   * once one succeeds.
   */
  tryClear(): boolean {
    const seen = Atomics.load(this.#flag, 0);
    if (seen === 0 || Atomics.compareExchange(this.#flag, 0, seen, 0) !== seen) return false;
    this.#word.notify();
    return true;
  }

  /** Detaches. The segment stays; `segment.remove()` removes it. */
  [Symbol.dispose](): void {
    this.#segment.detach();
  }
}

/** The error for a segment at a mailbox's key that something else is in; `others` are attached to it. */
export function wrongSize({ key, id, size, uid }: SegmentStat, others: number): ShmError {
  return new ShmError("use the segment as a mailbox", "shmget", ERRNO.EINVAL, {
    key,
    id,
    facts:
      `it has ${size} bytes, not ${LAYOUT.size}, so something else is in it; its owner is uid ` +
      `${uid} and nattch is ${others}`,
    remedy: "choose another key, or, once nobody is attached, replace it with recreate: true",
    option: "recreate",
  });
}
