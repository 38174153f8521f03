/**
 * A 32-bit word of shared memory that processes wait on until it changes, by futex(2).
 *
 * Whoever changes the word wakes the others; a process asleep here costs nothing. Used by the rooms
 * to the right; the word's meaning is theirs.
 */

import { FUTEX } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { futex, futexAsync } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import type { Segment } from "../sysv/segment.ts";
import type { Wait } from "./waiting.ts";

const EVERYBODY = 0x7fffffff;

/** A word at a 4-byte aligned offset of an attached segment. */
export class Word {
  readonly #cell: Int32Array<ArrayBuffer>;
  readonly #address: Deno.PointerObject;

  /** @throws {RangeError} the offset is not aligned, or the word not within the segment */
  constructor(segment: Segment, offset: number) {
    this.#cell = new Int32Array(segment.buffer, offset, 1);
    this.#address = Deno.UnsafePointer.offset(segment.pointer, offset)!;
  }

  /** Its value now: what was stored before it by the same writer is seen after this. */
  load(): number {
    return Atomics.load(this.#cell, 0);
  }

  /** Wakes all who wait on it, in every process. */
  wake(): void {
    // After detach the address may be another mapping's: nobody there is ours to wake
    if (this.#cell.length === 0) return;
    const result = futex(this.#address, FUTEX.WAKE, EVERYBODY, undefined);
    if (result < 0) throw new ShmError("wake the waiting processes", "futex", -result);
  }

  /**
   * A wait of at most `ms` milliseconds for the word to be something else than `value`. If it is
   * something else already the wait is over at once: between looking and sleeping nothing is missed.
   */
  changedFrom(value: number, ms: number): Wait {
    return {
      block: () => this.#block(value, ms),
      sleep: () => futexAsync(this.#address, FUTEX.WAIT, value >>> 0, ms),
      interrupt: () => this.wake(),
    };
  }

  #block(value: number, ms: number): void {
    const result = futex(this.#address, FUTEX.WAIT, value >>> 0, ms);
    const expected = [0, -ERRNO.EAGAIN, -ERRNO.ETIMEDOUT, -ERRNO.EINTR];
    if (!expected.includes(result)) {
      throw new ShmError("wait for a word of shared memory", "futex", -result);
    }
  }
}
