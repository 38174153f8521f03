/**
 * The writer of a latest value. There is one at a time.
 */

import { checkFunction, lengthOf } from "../layout/arguments.ts";
import { EventCount } from "../sync/event_count.ts";
import type { Role } from "../sync/role.ts";
import { refusePromise } from "../sync/visit.ts";
import { WAITING_OFFSET } from "./cell_memory.ts";
import { CellReader } from "./cell_reader.ts";
import { CellWriter } from "./cell_writer.ts";
import type { LatestObject } from "./latest_object.ts";
import type { Encoded, ValueEncoder, ValueKind } from "./values.ts";

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
  /** Whether code of the caller runs that a write or an update has called. */
  #busy = false;
  #open = true;

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
    Object.freeze(this);
  }

  /** Whether the writer is open. */
  get isOpen(): boolean {
    return this.#open && !this.#newest.isGone;
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#object.closed("the writer", false);
  }

  #check(): void {
    this.#checkOpen();
    if (this.#busy) {
      throw this.#object.busy("write a value", "another write is under way: return from it first");
    }
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
    this.#busy = true;
    try {
      bytes = this.#encoder.encode(value);
    } finally {
      this.#busy = false;
    }
    return this.#publish(bytes);
  }

  #publish(bytes: Encoded): number {
    // Code of the caller has run
    this.#checkOpen();
    const { words } = this.#encoder;
    const length = lengthOf(bytes);
    const { least, shape } = this.#object;
    if (length < least || length > shape.size) throw this.#misfit(length);
    if (words !== undefined) this.#cells.writeWords(words, length);
    else this.#cells.write(bytes, length);
    const version = this.#cells.number;
    this.#encoder.wrote(version);
    return version;
  }

  #misfit(length: number): RangeError {
    const { least, shape: { size } } = this.#object;
    const takes = least === size ? `${size} bytes, those of its struct` : `at most ${size} bytes`;
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
    this.#busy = true;
    try {
      returned = edit(copy);
    } finally {
      this.#busy = false;
    }
    refusePromise(returned, "edit", "await before the update; nothing was published");
    return this.#publish(this.#encoder.edited());
  }

  /**
   * Releases the role: another process can become the writer. The last value stays. Calling it again does
   * nothing.
   */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#role.release();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
