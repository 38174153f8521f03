/**
 * The writer of a latest value. There is one at a time.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction } from "../layout/arguments.ts";
import { EventCount } from "../sync/event_count.ts";
import type { Role } from "../sync/role.ts";
import { refusePromise } from "../sync/visit.ts";
import { WAITING_OFFSET } from "./cell_memory.ts";
import { CellReader } from "./cell_reader.ts";
import { CellWriter } from "./cell_writer.ts";
import type { LatestObject } from "./latest_object.ts";
import type { Encoded, ValueEncoder, ValueKind } from "./values.ts";

/** What a writer is doing. */
const STATE = {
  FREE: 0,
  /** Code of the caller runs that a write or an update has called. */
  BUSY: 1,
  CLOSED: 2,
} as const;

/** Makes the writer; its `role` is held. Internal: used by `latest.ts`. */
export let makeWriter: <In, Edited>(
  object: LatestObject,
  role: Role,
  kind: Pick<ValueKind<In, unknown, Edited, unknown>, "encoder">,
) => LatestWriter<In, Edited>;

/**
 * The one writer. It never waits for a reader. Every value gets the next version; what a writer that died
 * had begun is never seen, and the next writer goes on after the last value that was published.
 *
 * @example
 * ```ts
 * import { Latest, struct, u32 } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const Settings = struct({ workers: u32, port: u32 });
 * using latest = Latest.of(Settings, { key: 0x5eed5007 });
 * using writer = latest.writer();
 * assert.equal(writer.write({ workers: 4, port: 80 }), 1); // its version
 * writer.update((settings) => {
 *   settings.port = 8080;
 * });
 * assert.deepEqual(latest.reader().read()?.value, { workers: 4, port: 8080 });
 * ```
 */
export class LatestWriter<In = ArrayBufferView | ArrayBufferLike, Edited = Uint8Array<ArrayBuffer>>
  implements Disposable {
  readonly #object: LatestObject;
  readonly #role: Role;
  readonly #encoder: ValueEncoder<In, Edited>;
  readonly #cells: CellWriter;
  /** Reads the newest value for `update`. */
  readonly #newest: CellReader;
  /** The lengths that a value may have. */
  readonly #least: number;
  readonly #most: number;
  /** A number: V8 compares it once, and a boolean with each value that counts as false. */
  #state: typeof STATE[keyof typeof STATE] = STATE.FREE;

  static {
    makeWriter = (...how) => new LatestWriter(...how);
  }

  private constructor(
    object: LatestObject,
    role: Role,
    kind: Pick<ValueKind<In, unknown, Edited, unknown>, "encoder">,
  ) {
    const { memory, segment } = object;
    this.#object = object;
    this.#role = role;
    this.#encoder = kind.encoder();
    this.#cells = new CellWriter(memory, new EventCount(segment, WAITING_OFFSET), object);
    this.#newest = new CellReader(memory, object.least, object);
    this.#least = object.least;
    this.#most = object.shape.size;
    Object.freeze(this);
  }

  /** Whether the writer is open. */
  get isOpen(): boolean {
    return this.#state !== STATE.CLOSED && !this.#cells.isGone;
  }

  /** Throws unless it is open and free. */
  #check(): void {
    if (this.#state !== STATE.FREE || this.#cells.isGone) throw this.#refusal();
  }

  #refusal(): ShmError {
    return this.isOpen
      ? this.#object.busy("write a value", "another write is under way: return from it first")
      : this.#object.closed("the writer", false);
  }

  /** Code of the caller has run, and may have closed the writer. */
  #ended(): void {
    if (this.#state === STATE.BUSY) this.#state = STATE.FREE;
  }

  /**
   * The version of the last value that was written, by this writer or one before; 0 if there is none.
   */
  get version(): number {
    return this.#cells.number;
  }

  /**
   * Publishes a value. Readers see it at once, and those that wait are woken.
   *
   * @returns its version
   * @throws {TypeError} the value is not bytes, or has not the fields of the struct; nothing is published
   * @throws {RangeError} more bytes than `size`, or not as many if it holds a struct, or a number that its
   * field cannot hold
   * @throws {ShmError} `EDETACHED` closed; `ECORRUPT` an impossible value in memory; `EBUSY` called while
   * another write runs code of the caller
   */
  write(value: In): number {
    this.#check();
    let bytes: Encoded;
    this.#state = STATE.BUSY;
    try {
      bytes = this.#encoder.encode(value);
    } finally {
      this.#ended();
    }
    return this.#publish(bytes);
  }

  #publish(bytes: Encoded): number {
    this.#check();
    const { length, words } = this.#encoder;
    if (length < this.#least || length > this.#most) throw this.#misfit(length);
    const cells = this.#cells;
    const version = words === undefined
      ? cells.write(bytes, length)
      : cells.writeWords(words, length);
    this.#encoder.wrote(version);
    return version;
  }

  #misfit(length: number): RangeError {
    const most = this.#most;
    const takes = this.#least === most
      ? `${most} bytes, those of its struct`
      : `at most ${most} bytes`;
    return new RangeError(`a value has ${takes}, got ${length}`);
  }

  /**
   * Calls `edit` with a copy of the newest value, which it changes, and publishes that. If no value was
   * written yet, the copy is zeros: with bytes as many as the longest value has. If `edit` throws, nothing
   * is published. A copy that is kept is private memory: changing it later does nothing.
   *
   * @returns the version of what was published
   * @throws {TypeError} `edit` returned a promise, or has transferred the memory of the copy away
   * @throws {ShmError} as {@linkcode LatestWriter.write}
   */
  update(edit: (value: Edited) => void): number {
    checkFunction(edit, "edit");
    this.#check();
    const copy = this.#encoder.edit(this.#newest, this.#cells.number);
    let returned: unknown;
    this.#state = STATE.BUSY;
    try {
      returned = edit(copy);
    } finally {
      this.#ended();
    }
    refusePromise(returned, "edit", "await before the update; nothing was published");
    return this.#publish(this.#encoder.edited());
  }

  /**
   * Releases the role: another process can become the writer. The last value stays. Calling it again does
   * nothing.
   */
  close(): void {
    if (this.#state === STATE.CLOSED) return;
    this.#state = STATE.CLOSED;
    this.#role.release();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
