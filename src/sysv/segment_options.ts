/**
 * The options that create, open and attach a segment, and the `shmget` arguments they become. Internal:
 * used by `segment.ts`. `placement.ts` handles the address.
 */

import { HUGE_PAGE, IPC, SHM } from "../../ffi/constants.ts";
import { checkFlag, checkNumber, optionsReader, type Read } from "../layout/arguments.ts";
import { describe, mistyped } from "../layout/refusal.ts";
import { checkKey } from "./key.ts";
import { checkMode } from "./object_stat.ts";

/**
 * Where a segment is attached, and whether its code may run. Every option can be left out.
 *
 * A fixed address is useful for structs that hold pointers: every process attaches the segment at the
 * same address, so the pointers mean the same in each. It is safe to ask for one. The kernel accepts
 * only a range in which no page is mapped, and it checks and maps in one step. Memory reserved by V8, an
 * allocator or a thread's stack is mapped, too, without access rights. This library refuses two ranges
 * that the kernel would accept although they are not really free: the first pages, where null pointers
 * point, and the upper half of the address space, where the main stack may still grow. The lower half
 * holds little except V8's heap, in small pieces at random addresses: `EINVAL` by chance is possible;
 * then try another address.
 *
 * `SHM_REMAP`, which replaces what is mapped, is not offered: it could destroy the runtime's own memory.
 * Source: shmat(2); Linux `ipc/shm.c`, `do_shmat`.
 *
 * @example
 * ```ts
 * import type { SegmentPlacementOptions } from "@sysv/shm/sysv";
 * import { Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const placement: SegmentPlacementOptions = { address: 0x2000_0000_0000n };
 * using segment = Segment.create({ size: 64, ...placement });
 * segment.remove();
 * assert.equal(segment.address, 0x2000_0000_0000n);
 * ```
 */
export interface SegmentPlacementOptions {
  /** Allow code in the segment to be executed (`SHM_EXEC`). Users other than root need the x bit. */
  readonly execute?: boolean;
  /**
   * Attach at exactly this address, or fail. It must be a multiple of the page size (of the huge page
   * size for huge pages) and at least 0x10000, and the segment must end in the lower half of the address
   * space: at or below 0x4000_0000_0000 on x86-64. The range must be free, otherwise `EINVAL`. A range
   * stays taken if its segment was dropped without `detach`, or if its buffer was transferred before.
   */
  readonly address?: bigint;
  /** Round `address` down to a multiple of the page size (`SHM_RND`). */
  readonly round?: boolean;
}

/**
 * Options of {@linkcode Segment.create}.
 *
 * @example
 * ```ts
 * import type { SegmentCreateOptions } from "@sysv/shm/sysv";
 * import { Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * // Larger than the free memory: a page takes memory only when it is touched
 * const options: SegmentCreateOptions = { size: 8 * 2 ** 30, mode: 0o640, noReserve: true };
 * using segment = Segment.create(options);
 * segment.remove();
 * assert.equal(segment.size, 8 * 2 ** 30);
 * ```
 */
export interface SegmentCreateOptions extends SegmentPlacementOptions {
  /** The key by which other processes find it. Without a key it is private and found by its id. */
  readonly key?: number;
  /** The size in bytes, at least 1. The memory is zero at first. */
  readonly size: number;
  /** Permission bits. Defaults to 0o600, or to 0o700 with `execute`. The umask does not apply. */
  readonly mode?: number;
  /** Reserve no memory in advance, so that a segment may be larger than the free memory (Linux). */
  readonly noReserve?: boolean;
  /**
   * Use huge pages: `true` for the system's default size (`Hugepagesize` in `/proc/meminfo`), or a size
   * in bytes that is listed in `/sys/kernel/mm/hugepages`. They come from a pool that is empty until an
   * administrator fills it (`sysctl vm.nr_hugepages`). The kernel reserves them at once, enough for
   * `size` rounded up. `size` itself is not rounded, also in {@linkcode SegmentStat}, and neither are the
   * bounds.
   *
   * Not with `noReserve`: the kernel kills (SIGBUS) a process that touches a huge page when the pool is
   * empty. This can also happen in a segment of another program, and under a hugetlb cgroup limit.
   */
  readonly hugePages?: boolean | number;
}

/** Options of {@linkcode Segment.attach}, and also of {@linkcode Segment.open}. */
export interface SegmentAttachOptions extends SegmentPlacementOptions {
  /** Attach read-only: the segment returns nothing writable. */
  readonly readOnly?: boolean;
  /** Accept a segment that another user created or owns. Root is always accepted. */
  readonly trust?: boolean;
}

/** Options of {@linkcode Segment.open}. */
export interface SegmentOpenOptions extends SegmentAttachOptions {
  /** Refuse a segment smaller than this many bytes. */
  readonly minSize?: number;
}

/**
 * Options of {@linkcode Segment.openOrCreate}. `mode`, `noReserve` and `hugePages` apply only to a new
 * segment and not to an existing one.
 */
export interface SegmentOpenOrCreateOptions extends SegmentCreateOptions {
  /** The key by which other processes find it. */
  readonly key: number;
  /** Accept a segment that another user created or owns. Root is always accepted. */
  readonly trust?: boolean;
}

const PLACEMENT = { execute: checkFlag, address: checkAddress, round: checkFlag };
const CREATE = {
  key: checkKey,
  size: checkSize,
  mode: checkMode,
  noReserve: checkFlag,
  hugePages: checkHugePages,
  ...PLACEMENT,
};
const OPEN_OR_CREATE = { ...CREATE, trust: checkFlag };
const ATTACH = { readOnly: checkFlag, trust: checkFlag, ...PLACEMENT };
const OPEN = { minSize: checkSize, ...ATTACH };

/** Reads {@linkcode SegmentCreateOptions}. */
export const readCreateOptions: (options: unknown) => Read<typeof CREATE, "size"> = optionsReader(
  CREATE,
  ["size"],
);

/** Reads {@linkcode SegmentOpenOrCreateOptions}. */
export const readOpenOrCreateOptions: (
  options: unknown,
) => Read<typeof OPEN_OR_CREATE, "key" | "size"> = optionsReader(OPEN_OR_CREATE, ["key", "size"]);

/** Reads {@linkcode SegmentAttachOptions}. */
export const readAttachOptions: (options: unknown) => Read<typeof ATTACH> = optionsReader(ATTACH);

/** Reads {@linkcode SegmentOpenOptions}. */
export const readOpenOptions: (options: unknown) => Read<typeof OPEN> = optionsReader(OPEN);

/** {@linkcode SegmentCreateOptions}, checked: the properties of a new segment. */
export interface NewSegment {
  readonly size: number;
  readonly mode: number;
  /** The size of huge pages in bytes; 0 for the system's default size. */
  readonly hugePageSize: number | undefined;
  /** The flags of `shmget`. */
  readonly flags: number;
}

/**
 * Checks that the options from {@linkcode readCreateOptions} are compatible.
 *
 * @throws {TypeError} `hugePages` with `noReserve`
 * @throws {RangeError} `hugePages` is not a size of huge pages
 */
export function checkNew(options: SegmentCreateOptions): NewSegment {
  const { size, mode = options.execute === true ? 0o700 : 0o600 } = options;
  let flags = IPC.CREAT | IPC.EXCL | mode;
  if (options.noReserve === true) flags |= SHM.NORESERVE;
  const { hugePages = false } = options;
  if (hugePages === false) return { size, mode, hugePageSize: undefined, flags };
  if (options.noReserve === true) {
    throw new TypeError(
      "with hugePages and noReserve the kernel could kill a process that touches the memory",
    );
  }
  flags |= SHM.HUGETLB;
  if (hugePages === true) return { size, mode, hugePageSize: 0, flags };
  const logarithm = HUGE_PAGE.LOGARITHMS.find((each) => 2 ** each === hugePages);
  if (logarithm === undefined) {
    throw new RangeError(
      `hugePages ${hugePages} is not a size of huge pages: pass true, or one of ` +
        HUGE_PAGE.LOGARITHMS.map((each) => 2 ** each).join(", "),
    );
  }
  // 34, for pages of 16 GiB, sets the sign bit: the kernel reads only the bits
  return { size, mode, hugePageSize: hugePages, flags: flags | logarithm << HUGE_PAGE.SHIFT };
}

/**
 * Checks a number of bytes.
 *
 * @throws {TypeError} not a number
 * @throws {RangeError} not a positive safe integer
 */
function checkSize(value: unknown, name: string): number {
  const size = checkNumber(value, name);
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new RangeError(`${name} ${size} is not a positive whole number of bytes`);
  }
  return size;
}

function checkHugePages(value: unknown, name: string): boolean | number {
  if (typeof value === "boolean" || typeof value === "number") return value;
  throw mistyped(name, "true, or a size in bytes", value);
}

function checkAddress(address: unknown): bigint {
  if (typeof address === "bigint") return address;
  throw new TypeError(`an address is a bigint, not ${describe(address)}`);
}
