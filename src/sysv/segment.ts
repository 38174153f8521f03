/**
 * Segments: memory that unrelated processes attach at the same time.
 *
 * The kernel keeps a segment until a process marks it for removal, even when no process uses it. A
 * segment has no synchronisation: `src/sync`, `src/mailbox` and `src/channel` provide it.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { checkBytes, checkNumber, lengthOf } from "../layout/arguments.ts";
import { isLayout } from "../layout/check.ts";
import type { Fields, ReadonlyStructView, StructLayout, UnionLayout } from "../layout/layout.ts";
import { mistyped } from "../layout/refusal.ts";
import { Attachment } from "./attachment.ts";
import type { PermissionChange } from "./object_stat.ts";
import {
  type AttachedSegment,
  attachSegment,
  createSegment,
  openOrCreateSegment,
  openSegment,
} from "./segment_opening.ts";
import type {
  SegmentAttachOptions,
  SegmentCreateOptions,
  SegmentOpenOptions,
  SegmentOpenOrCreateOptions,
} from "./segment_options.ts";
import { type SegmentStat, segmentTable, setSegmentLocked } from "./segment_stat.ts";
import { checkViewable, type Viewable } from "./viewable.ts";

// Keeps a byte order mark at the start: it is part of the text
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

let isSegment: (value: unknown) => value is Segment;
let look: (segment: Segment, action: string) => Attachment;

/** Throws a `TypeError` unless `value` is a real `Segment` and not an object that looks like one. */
export function checkSegment(value: unknown, name: string): Segment {
  if (isSegment(value)) return value;
  throw mistyped(name, "a Segment", value);
}

/**
 * Returns the memory of a segment, also of one that is attached read-only: the caller must not write to
 * that one, because a write to a read-only mapping kills the process. Internal: used by `src/sync`.
 *
 * @throws {ShmError} `EDETACHED`
 */
export function memoryOf(
  segment: Segment,
  action: string,
): { readonly buffer: ArrayBuffer; readonly pointer: Deno.PointerObject } {
  const { buffer, pointer } = look(segment, action);
  return { buffer, pointer };
}

/**
 * An attached System V shared memory segment.
 *
 * After {@linkcode Segment.detach} every use throws `ShmError` with code `EDETACHED`, and every raw
 * view obtained before is empty. A late access is an exception, never a crash.
 *
 * A Worker must detach its segments before it ends. Otherwise they stay attached until the process
 * ends, because no finalizer runs when a Worker ends. Each Worker attaches by `id` itself;
 * `docs/shared_array_buffer.md` explains why there is no `SharedArrayBuffer` to post.
 *
 * @example Attach the same memory twice
 * ```ts
 * import { Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using mine = Segment.create({ size: 4096 });
 * using theirs = Segment.attach(mine.id, { readOnly: true });
 * mine.remove(); // marked for removal: the kernel frees it when both have detached
 * mine.write(new TextEncoder().encode("hello"));
 * assert.equal(new TextDecoder().decode(theirs.read(0, 5)), "hello");
 * ```
 */
export class Segment implements Disposable {
  readonly #key: number;
  readonly #id: number;
  readonly #size: number;
  readonly #created: boolean;
  readonly #readOnly: boolean;
  readonly #othersMayWrite: boolean;
  #attachment: Attachment | undefined;
  #removed = false;

  static {
    isSegment = (value): value is Segment =>
      typeof value === "object" && value !== null && #attachment in value;
    look = (segment, action) => segment.#look(action);
  }

  private constructor({ stat, address, key, created, readOnly }: AttachedSegment) {
    this.#key = key;
    this.#id = stat.id;
    this.#size = stat.size;
    this.#created = created;
    this.#readOnly = readOnly;
    this.#othersMayWrite = !created && (stat.mode & 0o022) !== 0;
    this.#attachment = new Attachment(stat.id, address, stat.size);
    Object.freeze(this);
  }

  /** The key that the segment was created or opened with; 0 (`IPC_PRIVATE`) for a private segment. */
  get key(): number {
    return this.#key;
  }

  /** The kernel's handle, "shmid". 0 is a valid id. */
  get id(): number {
    return this.#id;
  }

  /** The size in bytes that the creator asked for, as the kernel reports it. */
  get size(): number {
    return this.#size;
  }

  /** Whether this call created the segment. */
  get created(): boolean {
    return this.#created;
  }

  /** Whether the segment is attached read-only. */
  get readOnly(): boolean {
    return this.#readOnly;
  }

  /**
   * Whether users other than the owner could write to the segment when it was attached
   * (mode & 0o022). Always false if this call created it: then the caller chose the mode.
   */
  get othersMayWrite(): boolean {
    return this.#othersMayWrite;
  }

  /**
   * Creates a new segment and attaches it. If attaching fails, the new segment is removed again.
   *
   * @throws {ShmError} `EEXIST` the key is taken, `EINVAL` the size is beyond the limit, there are no
   * huge pages of that size, or the address is not free, `ENOSPC` a system limit is reached (the
   * message names it), `ENOMEM` no memory or no huge pages left, `EPERM` no right to huge pages,
   * `EACCES` the mode denies access to this user itself
   * @throws {TypeError} the options exclude each other
   * @throws {RangeError} a size, key, mode or address is out of range
   *
   * @example
   * ```ts
   * import { Segment } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ key: 0x5eed0002, size: 4096 });
   * assert(segment.created);
   * segment.remove();
   * ```
   */
  static create(options: SegmentCreateOptions): Segment {
    return new Segment(createSegment(options));
  }

  /**
   * Attaches the segment that holds `key`. The size is the one that the kernel reports.
   *
   * @throws {ShmError} `ENOENT` no such segment, `EACCES` its mode denies access to this user,
   * `EUNTRUSTED` another user created or owns it, `EINVAL` it is smaller than `minSize`, or the address
   * is not free
   * @throws {TypeError} the options exclude each other
   * @throws {RangeError} a key or address is out of range, or the key is `IPC_PRIVATE`
   *
   * @example
   * ```ts
   * import { Segment } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using created = Segment.create({ key: 0x5eed0003, size: 4096 });
   * using opened = Segment.open(0x5eed0003, { minSize: 2048 });
   * created.remove();
   * assert.equal(opened.size, 4096);
   * ```
   */
  static open(
    key: number,
    options: SegmentOpenOptions & { readonly readOnly: true },
  ): ReadOnlySegment;
  /** Attaches the segment that holds `key`. Its views can be written to unless `options` say otherwise. */
  static open(key: number, options?: SegmentOpenOptions): Segment;
  static open(key: number, options: SegmentOpenOptions = {}): Segment {
    return new Segment(openSegment(key, options));
  }

  /**
   * Attaches the segment that holds `key`, or creates it. `created` reports which. An existing segment
   * keeps its size and mode. It is accepted if it is larger than `size` and refused if it is smaller.
   *
   * @throws {ShmError} the errors of {@linkcode Segment.create} and {@linkcode Segment.open}
   * @throws {TypeError} the options exclude each other
   * @throws {RangeError} a size, key, mode or address is out of range
   *
   * @example
   * ```ts
   * import { Segment } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using first = Segment.openOrCreate({ key: 0x5eed0004, size: 64 });
   * using second = Segment.openOrCreate({ key: 0x5eed0004, size: 64 });
   * first.remove();
   * assert.deepEqual([first.created, second.created], [true, false]);
   * ```
   */
  static openOrCreate(options: SegmentOpenOrCreateOptions): Segment {
    return new Segment(openOrCreateSegment(options));
  }

  /**
   * Attaches the segment with this id. A segment marked for removal can be attached as long as another
   * attach exists.
   *
   * @throws {ShmError} `EINVAL` no such segment, or the address is not free, `EACCES` its mode denies
   * access to this user, `EUNTRUSTED` another user created or owns it
   * @throws {TypeError} the options exclude each other
   * @throws {RangeError} an id or address is out of range
   *
   * @example
   * ```ts
   * import { Segment } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using created = Segment.create({ size: 4096 });
   * using attached = Segment.attach(created.id);
   * created.remove();
   * assert.equal(attached.size, 4096);
   * ```
   */
  static attach(
    id: number,
    options: SegmentAttachOptions & { readonly readOnly: true },
  ): ReadOnlySegment;
  /** Attaches the segment with this id. Its views can be written to unless `options` say otherwise. */
  static attach(id: number, options?: SegmentAttachOptions): Segment;
  static attach(id: number, options: SegmentAttachOptions = {}): Segment {
    return new Segment(attachSegment(id, options));
  }

  /** Whether the memory is accessible: not detached, and its buffer not transferred. */
  get attached(): boolean {
    return this.#attachment !== undefined && !this.#attachment.memory.detached;
  }

  #use(action: string): Attachment {
    if (this.#attachment !== undefined) return this.#attachment;
    throw new ShmError(action, undefined, "EDETACHED", {
      id: this.#id,
      remedy: "attach it again with Segment.attach or Segment.open",
    });
  }

  #look(action: string): Attachment {
    const attachment = this.#use(action);
    if (!attachment.memory.detached) return attachment;
    throw new ShmError(action, undefined, "EDETACHED", {
      id: this.#id,
      remedy:
        "its buffer was transferred, and the memory with it: attach it again, and transfer only " +
        "copies",
    });
  }

  #write(action: string): Attachment {
    const attachment = this.#look(action);
    if (!this.#readOnly) return attachment;
    throw new ShmError(action, undefined, "EREADONLY", {
      id: this.#id,
      remedy: "attach it without readOnly, or use read() and view(), which work on it",
    });
  }

  /**
   * The memory itself, the same buffer each time; empty after detach. Plain access is not ordered
   * between processes: use `Atomics` for the value that signals to the peer that the rest is ready.
   *
   * This is raw memory. Decode, sort, hash and send only copies of it: the engine's decoder and `sort`
   * can crash the process when a peer writes at the same time. {@linkcode Segment.text} and
   * {@linkcode Segment.read} are safe; SECURITY.md has the whole table.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   */
  get buffer(): ArrayBuffer {
    return this.#write("get the buffer of the segment").buffer;
  }

  /**
   * The memory as bytes, over {@linkcode Segment.buffer}. This is raw memory: decode and sort only
   * copies of it.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer);
  }

  /**
   * A pointer to the memory, for foreign functions. The pointer stays the same after detach: using it
   * then is undefined behaviour, and the library cannot prevent it.
   *
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   */
  get pointer(): Deno.PointerObject {
    return this.#write("get the address of the segment").pointer;
  }

  /**
   * The address of the first byte in this process. It works on a read-only attach, too.
   *
   * @throws {ShmError} `EDETACHED`
   */
  get address(): bigint {
    return Deno.UnsafePointer.value(this.#look("get the address of the segment").address);
  }

  /**
   * Returns a copy of `length` bytes at `offset`. `length` defaults to all bytes after `offset`.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} the range is not within the segment
   */
  read(offset = 0, length?: number): Uint8Array<ArrayBuffer> {
    const { memory } = this.#look("read the segment");
    const count = this.#checkRange("read", offset, length);
    return new Uint8Array(memory, offset, count).slice();
  }

  /**
   * Returns the UTF-8 text in `length` bytes at `offset`, up to the first NUL if there is one. `length`
   * defaults to all bytes after `offset`. The bytes are copied before they are decoded, because a peer
   * may write there. Invalid UTF-8 reads as U+FFFD.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} the range is not within the segment
   *
   * @example
   * ```ts
   * import { Segment } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using segment = Segment.create({ size: 64 });
   * segment.remove();
   * segment.write(new TextEncoder().encode("hello"), 8);
   * assert.equal(segment.text(8), "hello");
   * assert.equal(segment.text(8, 4), "hell");
   * ```
   */
  text(offset = 0, length?: number): string {
    const copy = this.read(offset, length);
    const nul = copy.indexOf(0);
    return decoder.decode(nul === -1 ? copy : copy.subarray(0, nul));
  }

  /**
   * Copies the bytes of `data` into the segment at `offset`. It writes nothing if it throws.
   *
   * @throws {TypeError} `data` is neither a view nor a buffer, or was transferred
   * @throws {ShmError} `EDETACHED`, or `EREADONLY` on a read-only attach
   * @throws {RangeError} the range is not within the segment
   */
  write(data: ArrayBufferView | ArrayBufferLike, offset = 0): void {
    const bytes = checkBytes(data, "data");
    const { memory } = this.#write("write to the segment");
    const length = lengthOf(bytes);
    this.#checkRange("write", offset, length);
    new Uint8Array(memory, offset, length).set(bytes);
  }

  /** Checks the range and returns its length, which defaults to all bytes after `offset`. */
  #checkRange(verb: string, offset: number, length?: number): number {
    checkNumber(offset, "offset");
    const count = length === undefined ? this.#size - offset : checkNumber(length, "length");
    if (
      Number.isSafeInteger(offset) && Number.isSafeInteger(count) &&
      offset >= 0 && count >= 0 && offset + count <= this.#size
    ) return count;
    throw new RangeError(
      `cannot ${verb} ${count} bytes at offset ${offset} of a segment of ${this.#size} bytes`,
    );
  }

  /**
   * Returns a live view of the C struct at `offset`. On a read-only attach the view is read-only. Texts
   * in it are copies. Writable arrays in it are raw memory: decode only copies of them. Their `sort`,
   * `reverse` and `copyWithin` are safe.
   *
   * @throws {ShmError} `EDETACHED`
   * @throws {RangeError} the range is not within the segment
   * @throws {TypeError} `layout` is not a layout, or it is a custom one on a read-only attach, where its
   * code would get the raw memory
   *
   * @example
   * ```ts
   * import { f64, i32, Segment, struct } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Point = struct({ id: i32, x: f64 });
   * using segment = Segment.create({ size: Point.size });
   * segment.remove();
   * const point = segment.view(Point);
   * point.x = 1.5;
   * assert.equal(segment.view(Point).x, 1.5);
   * ```
   */
  view<View>(layout: Viewable<View>, offset = 0): View {
    if (!isLayout(layout)) checkViewable(layout);
    const { size } = layout;
    const attachment = this.#look("view the segment");
    this.#checkRange("view", offset, size);
    if (!this.#readOnly || isLayout(layout)) {
      return layout.view(attachment.buffer, offset, { readOnly: this.#readOnly });
    }
    throw new TypeError(
      "a read-only attach hands its memory only to layouts made by struct(): take a copy with read()",
    );
  }

  /**
   * Returns what the kernel reports about the segment now.
   *
   * @throws {ShmError} `EDETACHED`
   */
  stat(): SegmentStat {
    this.#use("look at the segment");
    return segmentTable.stat(this.#id);
  }

  /**
   * Changes mode, owner or group. What is left out does not change.
   *
   * @throws {ShmError} `EDETACHED`, or `EPERM` if neither owner, creator nor root
   * @throws {RangeError} a mode, user id or group id is out of range
   */
  setPermissions(change: PermissionChange): void {
    this.#use("change the segment");
    segmentTable.setPermissions(this.#id, change);
  }

  /**
   * Keeps the memory from being swapped out: pages that are present at once, other pages as soon as
   * they are touched. Calling it again does nothing. It locks memory, not access to the segment. It
   * holds until {@linkcode Segment.unlockMemory} or until the kernel frees the segment, also after this
   * process detaches. Huge pages are never swapped out and do not change. Source: `SHM_LOCK`, shmctl(2).
   *
   * @throws {ShmError} `EDETACHED`, `EPERM` if neither owner, creator nor root, or without the right to
   * lock memory, `ENOMEM` if it exceeds RLIMIT_MEMLOCK
   */
  lockMemory(): void {
    this.#use("lock the segment");
    setSegmentLocked(this.#id, true);
  }

  /**
   * Allows the memory to be swapped out again, even if another process locked it. Calling it again does
   * nothing.
   *
   * @throws {ShmError} `EDETACHED`, or `EPERM` if neither owner, creator nor root
   */
  unlockMemory(): void {
    this.#use("unlock the segment");
    setSegmentLocked(this.#id, false);
  }

  /**
   * Marks the segment for removal. Its key is free at once; its memory stays until the last detach. It
   * works after {@linkcode Segment.detach}, too. Calling it again does nothing.
   *
   * @throws {ShmError} `EPERM` if neither owner, creator nor root
   */
  remove(): void {
    if (this.#removed) return;
    segmentTable.ensureRemoved(this.#id);
    this.#removed = true;
  }

  /**
   * Detaches the memory. Every view is empty from now on, and an engine operation still in progress
   * reads zeros. Calling it again does nothing. The segment itself stays.
   *
   * @throws {ShmError} `ENOMEM` no memory for the zero pages; the segment is still attached
   */
  detach(): void {
    this.#attachment?.detach();
    this.#attachment = undefined;
  }

  /** Detaches at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.detach();
  }
}

/**
 * A segment that is attached read-only, so that its views are read-only to TypeScript too.
 *
 * @example
 * ```ts
 * import { i32, Segment, struct } from "@sysv/shm";
 * import type { ReadOnlySegment } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * const Count = struct({ n: i32 });
 * using owner = Segment.create({ size: Count.size });
 * using reader: ReadOnlySegment = Segment.attach(owner.id, { readOnly: true });
 * owner.remove();
 * owner.view(Count).n = 5;
 * assert.equal(reader.view(Count).n, 5);
 * // @ts-expect-error it is read-only
 * assert.throws(() => reader.view(Count).n = 6, TypeError);
 * ```
 */
export interface ReadOnlySegment extends Segment {
  /** Returns a read-only live view of the C struct at `offset`, see {@linkcode Segment.view}. */
  view<F extends Fields>(
    layout: StructLayout<F> | UnionLayout<F>,
    offset?: number,
  ): ReadonlyStructView<F>;
  /** Returns a live view of another layout, see {@linkcode Segment.view}. */
  view<View>(layout: Viewable<View>, offset?: number): View;
}
