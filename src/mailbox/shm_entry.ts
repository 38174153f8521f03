/**
 * The classic struct in shared memory, a flag and a text: for learning, for inspecting, and as the base
 * of the server and the client. It takes no lock and uses no role.
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

/** How {@linkcode ShmEntry.open} finds or creates the segment. */
export interface ShmEntryOptions {
  /** Permission bits of a new segment. Defaults to 0o600. */
  readonly mode?: number;
  /** Accept a segment that another user, other than root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
}

const readEntryOptions = optionsReader({ mode: checkMode, trust: checkFlag });

/**
 * The classic `struct ShmEntry { bool can_read; char msg[2048]; }` in a segment of exactly 2049 bytes.
 *
 * @example
 * ```ts
 * import { ShmEntry } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using entry = ShmEntry.open(0x5eed0006);
 * entry.segment.remove(); // marked for removal: it is gone at the end of this block
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

  /** The layout of the struct: as in C, `can_read` at offset 0 and `msg` at offset 1. */
  static get layout(): StructLayout<{ can_read: ScalarLayout<boolean>; msg: CStringLayout }> {
    return LAYOUT;
  }

  /**
   * Attaches the struct at `key` (defaults to 1111), and creates an empty one if there is none, as both
   * classic programs do. Unlike them, it never resets an existing one.
   *
   * @throws {ShmError} `EINVAL` a segment of another size has the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(key: number = MAILBOX_KEY, options: ShmEntryOptions = {}): ShmEntry {
    const read = readEntryOptions(options);
    return ShmEntry.over(Segment.openOrCreate({ ...read, key, size: LAYOUT.size }));
  }

  /**
   * The struct at the start of `segment`. If the segment does not hold one, detaches it and throws.
   *
   * @throws {ShmError} `EINVAL` the segment has another size, so it holds something else
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

  /** The segment that holds the struct. */
  get segment(): Segment {
    return this.#segment;
  }

  /** Whether there is an unread message. Any value other than 0 means `true`. */
  get canRead(): boolean {
    return Atomics.load(this.#flag, 0) !== 0;
  }

  /** Publishes the text (`true`) or the empty slot (`false`), and wakes the processes that wait for it. */
  set canRead(value: boolean) {
    Atomics.store(this.#flag, 0, checkFlag(value, "canRead") ? 1 : 0);
    this.#word.notify();
  }

  /** The text: up to the first NUL, or all 2048 bytes; invalid UTF-8 becomes U+FFFD. */
  get msg(): string {
    return this.#view.msg;
  }

  /**
   * Writes the text and fills the rest of the field with NULs.
   *
   * @throws {RangeError} the text has more than 2047 bytes of UTF-8 or a NUL; nothing is written then
   */
  set msg(text: string) {
    this.#view.msg = text;
  }

  /**
   * Clears the flag if there is a message, and returns whether it did. If two processes try at once,
   * one succeeds.
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

/**
 * The error for a segment at a mailbox's key that holds something else; `others` is the number of
 * processes attached to it.
 */
export function wrongSize({ key, id, size, uid }: SegmentStat, others: number): ShmError {
  return new ShmError("use the segment as a mailbox", "shmget", ERRNO.EINVAL, {
    key,
    id,
    facts:
      `it has ${size} bytes, not ${LAYOUT.size}, so something else is in it; its owner is uid ` +
      `${uid} and nattch is ${others}`,
    remedy: "choose another key, or, once no process is attached, replace it with recreate: true",
    option: "recreate",
  });
}
