/**
 * The state of a latest value, read from outside: its writer, its version, its users. Reading changes
 * nothing and does not join it.
 */

import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { listHeaded, statHeaded } from "../sync/headed_stat.ts";
import { memoryOf, type ReadOnlySegment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { CELL_WORD, cellMemory, CONTROL_WORD, numberOf } from "./cell_memory.ts";
import { SEMAPHORE } from "./cells.ts";
import { LATEST } from "./protocol.ts";
import type { Shape } from "./shape.ts";

/** A latest value at approximately one instant, and its segment. */
export interface LatestStat {
  /** The kernel's information about the segment. */
  readonly segment: SegmentStat;
  /** The id of its semaphore set. */
  readonly setId: number;
  /** Bytes of the longest value. */
  readonly size: number;
  /** How many values are in memory. */
  readonly cells: number;
  /** Bytes of the newest value; 0 before the first. */
  readonly length: number;
  /** The version of the newest value; 0 before the first. */
  readonly version: number;
  /** How many writers there have been. */
  readonly opened: number;
  /** The pid of the writer; `undefined` if there is none. */
  readonly writerPid: number | undefined;
  /** How many times it is open now, in all processes, those with `readOnly` not counted. */
  readonly users: number;
  /** Whether it stays when the last process leaves. */
  readonly persistent: boolean;
  /** The hash of the struct that it holds; 0 if it is bytes. */
  readonly typeHash: number;
}

function readStat(
  segment: ReadOnlySegment,
  set: SemaphoreSet,
  shape: Shape,
): Omit<LatestStat, "segment" | "setId" | "typeHash"> {
  const { words, first, stride } = cellMemory(memoryOf(segment, "read the cells").buffer, shape);
  const low = Atomics.load(words, CONTROL_WORD.PUBLISHED);
  const cell = first + (low & (shape.cells - 1)) * stride;
  // An impossible number or length is shown and not an error: a list must show all others, too
  const version = numberOf(low, words[cell + CELL_WORD.HIGH]!);
  const values = set.values();
  const { WRITER, USERS, DISPOSABLE } = SEMAPHORE;
  return {
    size: shape.size,
    cells: shape.cells,
    length: version === 0 ? 0 : words[cell + CELL_WORD.LENGTH]! >>> 0,
    version,
    opened: words[CONTROL_WORD.OPENED]! >>> 0,
    writerPid: values[WRITER] === 0 ? undefined : set.lastPid(WRITER),
    users: values[USERS]!,
    persistent: values[DISPOSABLE] !== 1,
  };
}

const readLookOptions = optionsReader({ trust: checkFlag });

/**
 * Reads the state of the latest value in the segment with this id, without joining it.
 *
 * @throws {ShmError} `EFORMAT` it is not a latest value, `EINVAL` the segment does not exist, `EACCES` no
 * read permission, `EUNTRUSTED` another user created or owns it
 * @throws {RangeError} an id out of range
 *
 * @example
 * ```ts
 * import { Latest } from "@sysv/shm";
 * import { statLatest } from "@sysv/shm/latest";
 * import assert from "node:assert/strict";
 *
 * using latest = Latest.openOrCreate({ key: 0x5eed500e, size: 100 });
 * using writer = latest.writer();
 * writer.write(new Uint8Array(70));
 * const { version, length, writerPid } = statLatest(latest.id);
 * assert.deepEqual([version, length, writerPid], [1, 70, Deno.pid]);
 * ```
 */
export function statLatest(id: number, options?: { readonly trust?: boolean }): LatestStat {
  const { trust = false } = readLookOptions(options);
  return statHeaded(LATEST, id, trust, readStat);
}

/**
 * Returns all latest values of the system that this user may read and trusts.
 *
 * @example
 * ```ts
 * import { listLatests } from "@sysv/shm/latest";
 *
 * for (const { segment, version, writerPid } of listLatests()) {
 *   console.log(segment.key, version, writerPid ?? "no writer");
 * }
 * ```
 */
export function listLatests(options?: { readonly trust?: boolean }): LatestStat[] {
  const { trust = false } = readLookOptions(options);
  return listHeaded(LATEST, trust, readStat);
}
