/**
 * The options of semaphore set calls, and their checks before any system call. Internal: used by
 * `semaphore_set.ts`.
 */

import { IPC, MAX_COUNT, MAX_VALUE } from "../../ffi/constants.ts";
import {
  checkElements,
  checkFlag,
  checkNumber,
  checkSignal,
  checkTimeout,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";
import { checkKey } from "./key.ts";
import { checkMode } from "./object_stat.ts";
import { isWhole } from "./semaphore_operations.ts";

/** Options of {@linkcode SemaphoreSet.create}. */
export interface SemaphoreSetCreateOptions {
  /** The key by which other processes find it. Without a key it is private and found by its id. */
  readonly key?: number;
  /** The number of semaphores, at least 1. */
  readonly count: number;
  /** Permission bits. Defaults to 0o600. The umask does not apply. */
  readonly mode?: number;
  /**
   * Start values, one for each semaphore. Defaults to 0 for each (Linux). Other processes can find the
   * set a moment before the values are in place. {@linkcode SemaphoreSet.openOrCreate} with `values`
   * waits for them, and so do other programs that follow the custom of waiting until `otime` is set.
   */
  readonly values?: readonly number[];
}

/** Options of {@linkcode SemaphoreSet.attach}. */
export interface SemaphoreSetAttachOptions {
  /** Accept a set that another user created or owns. Root is always accepted. */
  readonly trust?: boolean;
}

/** Options of {@linkcode SemaphoreSet.open}. */
export interface SemaphoreSetOpenOptions extends SemaphoreSetAttachOptions {
  /** Refuse a set that does not have exactly this number of semaphores. */
  readonly count?: number;
  /** Refuse a set that has fewer semaphores. */
  readonly minCount?: number;
}

/** Options of {@linkcode SemaphoreSet.openOrCreate}. */
export interface SemaphoreSetOpenOrCreateOptions
  extends SemaphoreSetCreateOptions, SemaphoreSetAttachOptions {
  /** The key by which other processes find it. */
  readonly key: number;
  /** The number of semaphores. An existing set must have exactly this number. */
  readonly count: number;
}

/** How long {@linkcode SemaphoreSet.opSync} waits. */
export interface OperationSyncOptions {
  /** Gives up after this many milliseconds; 0 tries once. Defaults to no limit. */
  readonly timeout?: number;
}

/**
 * How long {@linkcode SemaphoreSet.op} waits, and what can end the wait.
 *
 * @example
 * ```ts
 * import type { OperationOptions } from "@sysv/shm/sysv";
 * import { SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: OperationOptions = { signal: AbortSignal.timeout(10) };
 * const set = SemaphoreSet.create({ count: 1 });
 * await assert.rejects(set.op([{ semaphore: 0, add: -1 }], options), { name: "TimeoutError" });
 * assert.equal(set.waitingForIncrease(0), 0);
 * set.remove();
 * ```
 */
export interface OperationOptions extends OperationSyncOptions {
  /** Ends the wait when it aborts: the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** The properties of a new set, checked. */
export interface Plan {
  readonly key: number;
  readonly count: number;
  readonly mode: number;
  readonly values: readonly number[] | undefined;
}

const CREATE = { key: checkKey, count: checkCount, mode: checkMode, values: checkEachValue };
const OPEN_OR_CREATE = { ...CREATE, trust: checkFlag };
const ATTACH = { trust: checkFlag };
const OPEN = { count: checkCount, minCount: checkCount, ...ATTACH };
const OPERATION_SYNC = { timeout: checkTimeout };
const OPERATION = { ...OPERATION_SYNC, signal: checkSignal };

const readCreate = optionsReader(CREATE, ["count"]);
const readOpenOrCreate = optionsReader(OPEN_OR_CREATE, ["key", "count"]);

/** Reads {@linkcode SemaphoreSetCreateOptions}. */
export function readCreateOptions(options: unknown): Plan {
  return plan(readCreate(options));
}

/** Reads {@linkcode SemaphoreSetOpenOrCreateOptions}. */
export function readOpenOrCreateOptions(options: unknown): Plan & { readonly trust: boolean } {
  const { trust = false, ...rest } = readOpenOrCreate(options);
  return { ...plan(rest), trust };
}

/** Reads {@linkcode SemaphoreSetAttachOptions}. */
export const readAttachOptions: (options: unknown) => Read<typeof ATTACH> = optionsReader(ATTACH);

/** Reads {@linkcode SemaphoreSetOpenOptions}. */
export const readOpenOptions: (options: unknown) => Read<typeof OPEN> = optionsReader(OPEN);

/** Reads {@linkcode OperationSyncOptions}. */
export const readOperationSyncOptions: (options: unknown) => Read<typeof OPERATION_SYNC> =
  optionsReader(OPERATION_SYNC);

/** Reads {@linkcode OperationOptions}. */
export const readOperationOptions: (options: unknown) => Read<typeof OPERATION> = optionsReader(
  OPERATION,
);

function plan(
  { key = IPC.PRIVATE, count, mode = 0o600, values }: Read<typeof CREATE, "count">,
): Plan {
  if (values !== undefined) checkOneEach(values, count);
  return { key, count, mode, values };
}

function checkCount(value: unknown): number {
  const count = checkNumber(value, "count");
  if (isWhole(count, 1, MAX_COUNT)) return count;
  throw new RangeError(`count ${count} is not an integer from 1 to ${MAX_COUNT}`);
}

/** Checks the index of a semaphore in a set of `count`. */
export function checkSemaphore(value: unknown, count: number): number {
  const semaphore = checkNumber(value, "semaphore");
  // Foreign functions refuse -0
  if (isWhole(semaphore, 0, count - 1)) return semaphore | 0;
  throw new RangeError(
    `there is no semaphore ${semaphore} in a set of ${count}: 0 to ${count - 1}`,
  );
}

/** Checks the value of a semaphore. */
export function checkValue(given: unknown, name = "value"): number {
  const value = checkNumber(given, name);
  if (isWhole(value, 0, MAX_VALUE)) return value | 0;
  throw new RangeError(`${name} ${value} is not an integer from 0 to ${MAX_VALUE}`);
}

/** Checks the values of a set of `count` semaphores, and copies them. */
export function checkValues(values: unknown, count: number): readonly number[] {
  return checkOneEach(checkEachValue(values, "values"), count);
}

function checkEachValue(values: unknown, name: string): readonly number[] {
  return checkElements(values, name, "an array of numbers", checkValue);
}

function checkOneEach(values: readonly number[], count: number): readonly number[] {
  if (values.length === count) return values;
  throw new RangeError(`${values.length} values for ${count} semaphores: pass one for each`);
}
