/**
 * The latest value: one writer, any number of readers, between any processes on this machine, in TypeScript,
 * C and C++. Readers get the newest value, whole, and no value before it.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import type {
  AnyStructLayout,
  Fields,
  ReadonlyStructView,
  StructInput,
  StructLayout,
  StructValue,
  StructView,
} from "../layout/layout.ts";
import { checkMessageLayout } from "../layout/message_type.ts";
import { checkNotCreated } from "../sync/headed_object.ts";
import { acquireRole, holding } from "../sync/lane_roles.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { Role } from "../sync/role.ts";
import { readEachWaitOptions, type WaitOptions } from "../sync/wait_schedule.ts";
import { checkKey } from "../sysv/key.ts";
import { saysGone } from "../sysv/object_stat.ts";
import { SEMAPHORE } from "./cells.ts";
import { LatestObject } from "./latest_object.ts";
import {
  type LatestOfOptions,
  type LatestOpenOptions,
  type LatestOptions,
  type LatestReaderOptions,
  readLatestOfOptions,
  readLatestOpenOptions,
  readLatestOptions,
  readReaderOptions,
} from "./latest_options.ts";
import { type LatestReader, makeReader } from "./latest_reader.ts";
import { type LatestWriter, makeWriter } from "./latest_writer.ts";
import { requestedShape } from "./shape.ts";
import { BYTES, structs, type ValueKind } from "./values.ts";

/**
 * A latest value that this process has open. It is bytes, or a struct if {@linkcode Latest.of} made it: `In`
 * is what the writer takes, and `Out` what readers return.
 *
 * For what has a present state, and of which only that matters: settings, a position, the reading of a
 * sensor. A reader that looks seldom misses the values between; a {@linkcode Channel} delivers each one.
 * Reading and writing make no system call while no reader sleeps. A value is never torn, the writer never
 * waits, and a writer that dies, even by SIGKILL, leaves the last value that it published.
 *
 * @example Settings that all processes see at once
 * ```ts
 * import { cString, Latest, struct, u32 } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const Settings = struct({ workers: u32, greeting: cString(32) });
 * using settings = Latest.of(Settings, { key: 0x5eed5008 });
 * using writer = settings.writer(); // in one process
 * writer.write({ workers: 4, greeting: "hello" });
 * using reader = settings.reader(); // in any other
 * assert.equal(reader.read()?.value.greeting, "hello");
 * ```
 */
export class Latest<
  In = ArrayBufferView | ArrayBufferLike,
  Out = Uint8Array<ArrayBuffer>,
  Edited = Uint8Array<ArrayBuffer>,
  Shown = Uint8Array<ArrayBuffer>,
> implements Disposable {
  readonly #object: LatestObject;
  readonly #kind: ValueKind<In, Out, Edited, Shown>;
  /** Aborts when this is closed. */
  readonly #closing = new AbortController();
  #leaveResult: LeaveResult | undefined;

  private constructor(object: LatestObject, kind: ValueKind<In, Out, Edited, Shown>) {
    this.#object = object;
    this.#kind = kind;
    Object.freeze(this);
  }

  /**
   * Finds or creates a latest value of structs; `created` tells which. One that exists keeps its mode; its
   * struct must be the same, and its `cells` where they are given. With `readOnly` it must exist. When the
   * last process closes it, it is removed, unless its creator set `persistent`.
   *
   * @throws {ShmError} `EFORMAT` the key belongs to another object, or to a latest value of another version,
   * struct or shape: the message names the difference, and the first field that differs; `ENOENT` it does
   * not exist, with `readOnly`; `ETIMEDOUT` it was not initialised in time; `EUNTRUSTED` it belongs to
   * another user; `EACCES`; `ENOSPC` a limit of the system; `ENOMEM`
   * @throws {RangeError} a key, number of cells or mode out of range
   * @throws {TypeError} `layout` is not that of a struct, or it ends with a flexible array; `mode` or
   * `persistent` with `readOnly`
   *
   * @example
   * ```ts
   * import { f64, Latest, struct } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Pose = struct({ x: f64, y: f64 });
   * using latest = Latest.of(Pose, { key: 0x5eed5009 });
   * using readOnly = Latest.of(Pose, { key: 0x5eed5009, readOnly: true });
   * latest.writer().write({ x: 1.5, y: 2 });
   * assert.deepEqual(readOnly.reader().read()?.value, { x: 1.5, y: 2 });
   * ```
   */
  static of<F extends Fields>(
    layout: StructLayout<F>,
    options: LatestOfOptions,
  ): Latest<StructInput<F>, StructValue<F>, StructView<F>, ReadonlyStructView<F>> {
    checkMessageLayout(layout, "Latest.openOrCreate");
    const { readOnly = false, ...read } = readLatestOfOptions(options);
    if (readOnly) checkNotCreated("Latest", read);
    const object = join({ ...read, size: layout.size }, readOnly, layout);
    return new Latest(object, structs(layout));
  }

  /**
   * Finds or creates a latest value of bytes, as {@linkcode Latest.of}. `size` must be that of one that
   * exists. It may be one of structs: their bytes are the values.
   *
   * @throws {ShmError} as {@linkcode Latest.of}
   * @throws {RangeError} as {@linkcode Latest.of}; a size out of range
   */
  static openOrCreate(options: LatestOptions): Latest {
    return new Latest(join(readLatestOptions(options), false), BYTES);
  }

  /**
   * Opens a latest value that exists, of bytes or of structs, as bytes.
   *
   * @throws {ShmError} `ENOENT` it does not exist; and as {@linkcode Latest.of}
   * @throws {RangeError} a key out of range
   *
   * @example
   * ```ts
   * import { Latest } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using created = Latest.openOrCreate({ key: 0x5eed500a, size: 100 });
   * using opened = Latest.open(0x5eed500a, { readOnly: true });
   * assert.deepEqual([opened.size, opened.cells, opened.created], [100, 16, false]);
   * ```
   */
  static open(key: number, options: LatestOpenOptions = {}): Latest {
    checkKey(key);
    const { readOnly = false, trust = false, timeout } = readLatestOpenOptions(options);
    return new Latest(new LatestObject({ key, wanted: {}, readOnly, trust, timeout }), BYTES);
  }

  /** The key of the latest value. */
  get key(): number {
    return this.#object.segment.key;
  }

  /** The id of its shared memory segment. */
  get id(): number {
    return this.#object.segment.id;
  }

  /** Bytes of the longest value; of every value if they are structs. */
  get size(): number {
    return this.#object.shape.size;
  }

  /** How many values are in memory. A read that the writer overtakes by one less begins again. */
  get cells(): number {
    return this.#object.shape.cells;
  }

  /** Whether this call created it. */
  get created(): boolean {
    return this.#object.created;
  }

  /** Whether it is open for reading only. */
  get readOnly(): boolean {
    return this.#object.readOnly;
  }

  /**
   * Whether users other than the owner could change it when it was opened (mode & 0o022). `false` for one
   * created here: its mode was chosen here.
   */
  get othersMayWrite(): boolean {
    return this.#object.othersMayWrite;
  }

  /** Whether it is open here. */
  get isOpen(): boolean {
    return this.#leaveResult === undefined && this.#object.segment.attached;
  }

  #check(): void {
    if (!this.isOpen) throw this.#closed();
  }

  #closed(): ShmError {
    return this.#object.closed("the Latest", false);
  }

  /**
   * The pid of the writer; `undefined` if there is none.
   *
   * @throws {ShmError} `EDETACHED` closed, `EINVAL` or `EIDRM` it was removed
   */
  get writerPid(): number | undefined {
    this.#check();
    return this.#role().holder;
  }

  #role(): Role {
    return new Role(this.#object.set, SEMAPHORE.WRITER);
  }

  /**
   * Acquires the role of the writer if it is free. It goes on after the last value of the writer before.
   *
   * @throws {ShmError} `EBUSY` there is a writer: the message names it; `EREADONLY` it was opened with
   * `readOnly`; `EIDRM` it was removed while in use; `EDETACHED` closed; `ECORRUPT` impossible values in
   * memory
   *
   * @example
   * ```ts
   * import { Latest } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using latest = Latest.openOrCreate({ key: 0x5eed500b, size: 8 });
   * using writer = latest.writer();
   * assert.equal(latest.writerPid, Deno.pid);
   * assert.throws(() => latest.writer(), { code: "EBUSY" });
   * ```
   */
  writer(): LatestWriter<In, Edited> {
    this.#checkWritable();
    const { WRITER } = SEMAPHORE;
    const writer = acquireRole(this.#object, WRITER, (role) => this.#makeWriter(role));
    if (writer !== undefined) return writer;
    throw new ShmError(BECOME_WRITER, "semop", ERRNO.EBUSY, {
      key: this.key,
      id: this.id,
      remedy: `${formatProcess(this.writerPid)} is it already`,
    });
  }

  #checkWritable(): void {
    this.#check();
    if (this.readOnly) throw this.#object.unwritable(BECOME_WRITER);
  }

  /** The set is removed with the segment: reports that, not the failure of the semaphore. */
  #whyNoRole(failure: unknown): unknown {
    if (saysGone(failure) && this.isOpen) this.#object.checkPresent();
    return failure;
  }

  /** Makes the writer, which is closed with this. */
  #makeWriter(role: Role): LatestWriter<In, Edited> {
    return this.#object.adopt(makeWriter(this.#object, role, this.#kind));
  }

  /**
   * As {@linkcode Latest.writer}, but waits until the role is free, as a stand-by does: it takes over as
   * soon as the writer closes or dies.
   *
   * @throws {ShmError} `ETIMEDOUT`, and as {@linkcode Latest.writer}
   *
   * @example
   * ```ts
   * import { Latest } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using latest = Latest.openOrCreate({ key: 0x5eed500c, size: 8 });
   * const first = latest.writer(); // in another process, usually
   * const waiting = latest.acquireWriter({ timeout: 5_000 });
   * first.write(Uint8Array.of(1));
   * first.close();
   * using second = await waiting;
   * assert.equal(second.version, 1);
   * ```
   */
  async acquireWriter(options?: WaitOptions): Promise<LatestWriter<In, Edited>> {
    const { timeout, signal } = readEachWaitOptions(options);
    signal?.throwIfAborted();
    this.#checkWritable();
    const role = this.#role();
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    try {
      await role.acquire({ signal: either, ...(timeout === undefined ? {} : { timeout }) });
    } catch (failure) {
      throw this.#whyNoRole(failure);
    }
    return holding(role, () => {
      this.#check();
      return this.#makeWriter(role);
    });
  }

  /**
   * Makes a reader. Close it if it has waited and this stays open for long.
   *
   * @throws {ShmError} `EDETACHED` closed
   * @throws {RangeError} an option out of range
   */
  reader(options: LatestReaderOptions = {}): LatestReader<Out, Shown> {
    const read = readReaderOptions(options);
    this.#check();
    return makeReader(this.#object, this.#kind, read, (reader) => this.#object.adopt(reader));
  }

  /**
   * Removes it even if it is in use: its key is free at once. Readers of other processes keep the last value
   * until they have to wait, and then fail with `EIDRM`. Works after {@linkcode Latest.close} too.
   *
   * @throws {ShmError} `EPERM` the caller is neither owner, creator nor root
   *
   * @example
   * ```ts
   * import { Latest } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using latest = Latest.openOrCreate({ key: 0x5eed500d, size: 8 });
   * using reader = latest.reader();
   * latest.remove();
   * await assert.rejects(reader.wait(), { code: "EIDRM" });
   * ```
   */
  remove(): void {
    this.#object.remove();
  }

  /**
   * Closes its writer and its readers, and leaves it. Calling it again does nothing.
   *
   * @returns what happened to it: always `"kept"` with `readOnly`
   */
  close(): LeaveResult {
    if (this.#leaveResult !== undefined) return this.#leaveResult;
    this.#leaveResult = this.#object.leave();
    this.#closing.abort(this.#closed());
    return this.#leaveResult;
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const BECOME_WRITER = "become the writer";

/** Joins the latest value with this key, or creates it. */
function join(
  options: ReturnType<typeof readLatestOptions>,
  readOnly: boolean,
  layout?: AnyStructLayout,
): LatestObject {
  const { key, size, cells, mode = 0o600, persistent = false, trust = false, timeout } = options;
  requestedShape({ size, ...(cells === undefined ? {} : { cells }) });
  return new LatestObject({
    key,
    wanted: { size, ...(cells === undefined ? {} : { cells }) },
    layout,
    create: readOnly ? undefined : { mode, persistent },
    readOnly,
    trust,
    timeout,
  });
}
