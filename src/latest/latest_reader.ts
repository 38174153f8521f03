/**
 * A reader of a latest value: copies the newest value, shows it, or waits for a newer one.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction } from "../layout/arguments.ts";
import { DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { iterate } from "../sync/delivery.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import {
  readEachWaitOptions,
  readWaitOptions,
  readWaitSyncOptions,
  type WaitLimits,
  type WaitOptions,
  type WaitSyncOptions,
} from "../sync/wait_schedule.ts";
import { refusePromise } from "../sync/visit.ts";
import { promised, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import { CellReader } from "./cell_reader.ts";
import type { LatestObject } from "./latest_object.ts";
import type { LatestChange, LatestReaderOptions, LatestValue } from "./latest_options.ts";
import { ValueWait } from "./value_wait.ts";
import type { ValueDecoder, ValueKind } from "./values.ts";

/** Makes a reader; `adopt` is called when it has something to close. Internal: used by `latest.ts`. */
export let makeReader: <Out, Shown>(
  object: LatestObject,
  kind: Pick<ValueKind<never, Out, never, Shown>, "decoder">,
  options: LatestReaderOptions,
  adopt: (reader: LatestReader<Out, Shown>) => void,
) => LatestReader<Out, Shown>;

/**
 * A reader. It changes nothing in memory, the writer never waits for it, and any number of readers can
 * exist. What it returns is always all of one value: it copies, and copies again if the writer has begun to
 * overwrite that place in the meantime.
 *
 * `read` returns a copy, `view` calls a function with the value, `wait` and `changes` wait for a newer value
 * than the last one that this reader returned. A reader that has waited holds a futex until it is closed.
 *
 * @example
 * ```ts
 * import { f64, Latest, struct } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const Pose = struct({ x: f64, y: f64 });
 * using latest = Latest.of(Pose, { key: 0x5eed5003 });
 * using writer = latest.writer(); // in another process, usually
 * using reader = latest.reader();
 * assert.equal(reader.read(), undefined); // nothing was written yet
 * writer.write({ x: 1, y: 2 });
 * assert.deepEqual(reader.read(), { value: { x: 1, y: 2 }, version: 1 });
 * ```
 */
export class LatestReader<Out = Uint8Array<ArrayBuffer>, Shown = Uint8Array<ArrayBuffer>>
  implements Disposable {
  readonly #object: LatestObject;
  readonly #decoder: ValueDecoder<Out, Shown>;
  readonly #cells: CellReader;
  readonly #wait: ValueWait;
  readonly #queue = new SerialQueue();
  readonly #adopt: (reader: LatestReader<Out, Shown>) => void;
  /** The number of the value that was returned last, and its low word; 0 before the first. */
  #last = 0;
  #lastLow = 0;
  /** Whether a function of the caller has a view. */
  #showing = false;
  #open = true;

  static {
    makeReader = (...how) => new LatestReader(...how);
  }

  private constructor(
    object: LatestObject,
    kind: Pick<ValueKind<never, Out, never, Shown>, "decoder">,
    { spin = DEFAULT_SPIN_US }: LatestReaderOptions,
    adopt: (reader: LatestReader<Out, Shown>) => void,
  ) {
    this.#object = object;
    this.#decoder = kind.decoder();
    this.#cells = new CellReader(object.memory, object.least, object);
    this.#wait = new ValueWait(
      object,
      spin,
      () => this.#cells.isOtherThan(this.#lastLow),
      () => this.#checkOpen(),
    );
    this.#adopt = adopt;
    Object.freeze(this);
  }

  /** Whether the reader is open. */
  get isOpen(): boolean {
    return this.#open && !this.#cells.isGone;
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#object.closed("the reader", false);
  }

  #check(): void {
    this.#checkOpen();
    if (this.#showing) {
      throw this.#object.busy("read", "a view is shown: return from its function first");
    }
  }

  /**
   * Returns the newest value and its version; `undefined` if none was written yet. Never waits.
   *
   * @throws {ShmError} `EDETACHED` closed; `ECORRUPT` an impossible value in memory; `EAGAIN` the writer
   * overtook 1000 copies; `EBUSY` called by a function that `view` has called
   */
  read(): LatestValue<Out> | undefined {
    this.#check();
    const value = this.#decoder.read(this.#cells);
    return value === undefined ? undefined : { value, version: this.#returned() };
  }

  /** Remembers that the value of the last attempt was returned, and gives its version. */
  #returned(): number {
    this.#lastLow = this.#cells.low;
    return this.#last = this.#cells.number;
  }

  /**
   * The version of the newest value; 0 if none was written yet. It costs less than reading the value, and
   * does not count as returning it.
   *
   * @throws {ShmError} as {@linkcode LatestReader.read}
   */
  get version(): number {
    this.#check();
    return this.#cells.look();
  }

  /**
   * Calls `show` with a read-only view of the newest value, and returns its result; `undefined` if none was
   * written yet. The view is valid during the call only: later it shows other values. With bytes it is a
   * copy, which the next call overwrites.
   *
   * A struct of more than 256 bytes is shown where it lies, without a copy. If the writer overtakes, the
   * result is dropped, also if it is an exception, and `show` is called again, at most 4 times. So it must
   * have no effect but its result, and may see fields of different values before it is called again.
   *
   * @throws {TypeError} `show` returned a promise
   * @throws {ShmError} as {@linkcode LatestReader.read}
   *
   * @example
   * ```ts
   * import { array, f64, Latest, struct } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Scan = struct({ distances: array(f64, 1000) });
   * using latest = Latest.of(Scan, { key: 0x5eed5004 });
   * using writer = latest.writer();
   * writer.update((scan) => {
   *   scan.distances[500] = 2.5;
   * });
   * assert.equal(latest.reader().view(({ distances }) => distances[500]), 2.5);
   * ```
   */
  view<Result>(show: (value: Shown, version: number) => Result): Result | undefined {
    checkFunction(show, "show");
    this.#check();
    this.#showing = true;
    let result: Result | undefined;
    try {
      result = this.#decoder.show(this.#cells, show);
    } finally {
      this.#showing = false;
    }
    refusePromise(result, "show", "use read()");
    if (this.#cells.number !== 0) this.#returned();
    return result;
  }

  /** The newest value if it is another one than `last`. */
  #newer(last: number): LatestChange<Out> | undefined {
    if (this.#cells.isAt(last)) return undefined;
    let value: Out | undefined;
    try {
      value = this.#decoder.read(this.#cells);
    } catch (error) {
      // It waits on if every copy was overtaken: the writer is slower while it wakes this reader
      if (ShmError.is(error, "EAGAIN")) return undefined;
      throw error;
    }
    if (value === undefined || this.#cells.number === last) return undefined;
    const before = this.#last;
    const version = this.#returned();
    return { value, version, skipped: before === 0 ? 0 : Math.max(0, version - before - 1) };
  }

  readonly #afterLast = (): LatestChange<Out> | undefined => this.#newer(this.#last);

  /**
   * Waits until there is a newer value than the last one that this reader returned, and returns the newest
   * one; at once if there is one already. Calls made together are served in order, each with a newer value.
   *
   * @throws {ShmError} `ETIMEDOUT`, also if the writer overtook every copy; `EIDRM` it was removed;
   * `EDETACHED`, `ECORRUPT`
   *
   * @example
   * ```ts
   * import { Latest } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using latest = Latest.openOrCreate({ key: 0x5eed5005, size: 8 });
   * using writer = latest.writer();
   * using reader = latest.reader();
   * const waiting = reader.wait({ timeout: 5_000 });
   * writer.write(Uint8Array.of(1));
   * assert.equal((await waiting).version, 1);
   * for (let n = 2; n <= 5; n++) writer.write(Uint8Array.of(n));
   * const { value, version, skipped } = await reader.wait();
   * assert.deepEqual([value[0], version, skipped], [5, 5, 3]);
   * ```
   */
  wait(options?: WaitOptions): Promise<LatestChange<Out>> {
    // Not an async function: each promise between the waker and the caller that awaits costs a microsecond
    return promised(() => this.#waiting(readWaitOptions(options), this.#afterLast));
  }

  #waiting(
    limits: WaitLimits,
    find: () => LatestChange<Out> | undefined,
  ): Promise<LatestChange<Out>> {
    limits.signal?.throwIfAborted();
    this.#check();
    if (
      this.#queue.waiting === 0 && !this.#queue.handing && yieldBudget.pause() === undefined
    ) {
      const change = find() ?? (this.#wait.soon() ? find() : undefined);
      if (change !== undefined) return this.#queue.handOver(change);
    }
    this.#adopt(this);
    return this.#queue.run(
      limits,
      () => this.#wait.expired(),
      () => this.#wait.until(find, limits),
    );
  }

  /**
   * As {@linkcode LatestReader.wait}, but blocks the thread.
   *
   * @throws {ShmError} as {@linkcode LatestReader.wait}
   */
  waitSync(options?: WaitSyncOptions): LatestChange<Out> {
    const limits = readWaitSyncOptions(options);
    this.#check();
    const change = this.#afterLast() ?? (this.#wait.soon() ? this.#afterLast() : undefined);
    if (change !== undefined) return change;
    this.#adopt(this);
    return waitSync(this.#wait.until(this.#afterLast, limits));
  }

  /**
   * Iterates over the values as they change. Begins with the present value, if there is one. A loop that is
   * slower than the writer gets the newest value each time, with the number of those it `skipped`. Never
   * ends by itself; the loop throws the reason of `signal` when that aborts, and `ETIMEDOUT` when no newer
   * value comes within `timeout` milliseconds. The iterator's `return` ends a `next` that waits.
   *
   * @throws {ShmError} as {@linkcode LatestReader.wait}, from the loop
   *
   * @example
   * ```ts
   * import { Latest, struct, u32 } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Settings = struct({ workers: u32 });
   * using latest = Latest.of(Settings, { key: 0x5eed5006 });
   * using writer = latest.writer();
   * writer.write({ workers: 4 });
   * using reader = latest.reader();
   * for await (const { value, skipped } of reader.changes()) {
   *   assert.deepEqual([value.workers, skipped], [4, 0]);
   *   break; // a program usually goes on
   * }
   * ```
   */
  changes(options?: WaitOptions): AsyncIterableIterator<LatestChange<Out>, undefined> {
    const read = readEachWaitOptions(options);
    let find = (): LatestChange<Out> | undefined => {
      const change = this.#newer(0);
      if (change !== undefined) find = this.#afterLast;
      return change;
    };
    return iterate((limits) => this.#waiting(limits, () => find()), read);
  }

  /** Ends its waits, which fail with `EDETACHED`. Calling it again does nothing. */
  close(): void {
    this.#open = false;
    this.#wait.close();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
