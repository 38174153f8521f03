/** The options of a latest value and of its readers, and the functions that check them. */

import {
  checkFlag,
  checkNumber,
  checkTimeout,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";
import { checkSpin } from "../sync/adaptive_spin.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode } from "../sysv/object_stat.ts";

/** How {@linkcode Latest.open} opens a latest value. */
export interface LatestOpenOptions {
  /**
   * Whether to open it for reading only. Then read permission is enough, it is not created, no other
   * process notices, and it does not stay for this process: when the last process that opened it without
   * `readOnly` closes it, it is removed. Defaults to `false`.
   */
  readonly readOnly?: boolean;
  /** Whether to accept one that another user, not root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
  /**
   * How many milliseconds to wait while other processes join, leave or create it; then opening fails with
   * `ETIMEDOUT`. Defaults to 5000. Closing waits as long, but at most 1000; then it leaves it as it is.
   */
  readonly timeout?: number;
}

/** How {@linkcode Latest.of} finds or creates a latest value. */
export interface LatestOfOptions extends LatestOpenOptions {
  /** The key that all processes use. */
  readonly key: number;
  /**
   * How many values are in memory: a power of two from 2 to 4096. A read begins again if the writer
   * publishes one less than this while the read copies. Defaults to that of the one found, or to 16, and
   * to 4 if a value has more than about 64 KiB.
   */
  readonly cells?: number;
  /** Permission bits if it is created here. Defaults to 0o600. */
  readonly mode?: number;
  /** Whether one created here stays when the last process leaves. Defaults to `false`. */
  readonly persistent?: boolean;
}

/** How {@linkcode Latest.openOrCreate} finds or creates a latest value of bytes. */
export interface LatestOptions extends Omit<LatestOfOptions, "readOnly"> {
  /** Bytes of the longest value, 1 to 2^30. */
  readonly size: number;
}

/**
 * How a reader waits.
 *
 * @example
 * ```ts
 * import { Latest } from "@sysv/shm";
 * import type { LatestReaderOptions } from "@sysv/shm/latest";
 * import assert from "node:assert/strict";
 *
 * const options: LatestReaderOptions = { spin: 0 }; // sleeps at once
 * using latest = Latest.openOrCreate({ key: 0x5eed5001, size: 8 });
 * const reader = latest.reader(options);
 * assert.throws(() => reader.waitSync({ timeout: 5 }), { code: "ETIMEDOUT" });
 * ```
 */
export interface LatestReaderOptions {
  /**
   * Microseconds to look for a newer value before sleeping, while that is likely to succeed. Defaults to
   * 250. Where looking does not pay, the reader sleeps at once. 0 never looks.
   */
  readonly spin?: number;
}

/**
 * A value, and its number.
 *
 * @example
 * ```ts
 * import { Latest } from "@sysv/shm";
 * import type { LatestValue } from "@sysv/shm/latest";
 * import assert from "node:assert/strict";
 *
 * using latest = Latest.openOrCreate({ key: 0x5eed5002, size: 8 });
 * using writer = latest.writer();
 * writer.write(Uint8Array.of(7));
 * const { value, version }: LatestValue = latest.reader().read()!;
 * assert.deepEqual([value[0], version], [7, 1]);
 * ```
 */
export interface LatestValue<Out = Uint8Array<ArrayBuffer>> {
  /** A copy of the value: its bytes, or a plain object with the fields of a struct. */
  readonly value: Out;
  /** Its number: the first value ever written has 1, each one after it 1 more. */
  readonly version: number;
}

/** A value for which a reader waited. */
export interface LatestChange<Out = Uint8Array<ArrayBuffer>> extends LatestValue<Out> {
  /** How many values were written since the last one that the reader returned. 0 for the first one. */
  readonly skipped: number;
}

const OPEN = { readOnly: checkFlag, trust: checkFlag, timeout: checkTimeout };
const CREATE = {
  key: checkKey,
  cells: checkNumber,
  mode: checkMode,
  persistent: checkFlag,
  trust: checkFlag,
  timeout: checkTimeout,
};
const OF = { ...CREATE, readOnly: checkFlag };
const BYTES = { ...CREATE, size: checkNumber };
const READER = { spin: checkSpin };

/** Reads {@linkcode LatestOpenOptions}. */
export const readLatestOpenOptions: (options: unknown) => Read<typeof OPEN> = optionsReader(OPEN);

/** Reads {@linkcode LatestOfOptions}. */
export const readLatestOfOptions: (options: unknown) => Read<typeof OF, "key"> = optionsReader(OF, [
  "key",
]);

/** Reads {@linkcode LatestOptions}. */
export const readLatestOptions: (options: unknown) => Read<typeof BYTES, "key" | "size"> =
  optionsReader(BYTES, ["key", "size"]);

/** Reads {@linkcode LatestReaderOptions}. */
export const readReaderOptions: (options: unknown) => Read<typeof READER> = optionsReader(READER);
