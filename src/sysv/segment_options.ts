/**
 * How a segment is made, found and attached: the options of `segment.ts`, and what they come to in
 * `shmget`'s arguments. Where it is attached is `placement.ts`'s.
 */

import { HUGE_PAGE, IPC, SHM } from "../../ffi/constants.ts";
import { checkFlag, checkNumber, optionsReader, type Read } from "../layout/arguments.ts";
import { describe, mistyped } from "../layout/refusal.ts";
import { checkKey } from "./key.ts";
import { checkMode } from "./object_stat.ts";

/**
 * Where a segment is attached, and for what. All of it can be left out.
 *
 * An address of one's own makes sense for structs that hold pointers: every process attaches the
 * segment at the same place, and the pointers mean the same in each. It is safe to ask for one. The
 * kernel takes only a range of which not one page is mapped, and finds that out in the same step in
 * which it maps it; what V8, an allocator or a thread's stack has reserved is mapped, too, without
 * any rights. The two places it would let one have that are not free in truth are refused here: the
 * first pages, where null pointers lead, and the room the main stack may still grow into, together
 * with all of the upper half of the address space. In the lower half there is little but V8's heap,
 * in small pieces at random: `EINVAL` by chance is possible, and another address helps.
 *
 * Taking a range whatever is there (`SHM_REMAP`) is not offered: it would be the runtime's own memory
 * that is gone. Source: shmat(2); Linux `ipc/shm.c`, `do_shmat`.
 *
 * @example
 * ```ts
 * import { type SegmentPlacementOptions, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const placement: SegmentPlacementOptions = { address: 0x2000_0000_0000n };
 * using segment = Segment.create({ size: 64, ...placement });
 * segment.remove();
 * assert.equal(segment.address, 0x2000_0000_0000n);
 * ```
 */
export interface SegmentPlacementOptions {
  /** Let code in it be executed (`SHM_EXEC`); unless root we need the mode's x bit then. */
  readonly execute?: boolean;
  /**
   * Attach it at exactly this address, or not at all: a multiple of the page size (of the huge page
   * size for huge pages), at least 0x10000, with its end in the lower half of the address space:
   * 0x4000_0000_0000 on x86-64. The range must be free: `EINVAL` if not. One whose segment was dropped
   * without `detach`, or whose buffer was transferred away before, stays taken.
   */
  readonly address?: bigint;
  /** Round `address` down to a multiple of the page size (`SHM_RND`). */
  readonly round?: boolean;
}

/**
 * How {@linkcode Segment.create} makes a segment.
 *
 * @example
 * ```ts
 * import { type SegmentCreateOptions, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * // Room for far more than is in memory: pages come as they are touched
 * const options: SegmentCreateOptions = { size: 8 * 2 ** 30, mode: 0o640, noReserve: true };
 * using segment = Segment.create(options);
 * segment.remove();
 * assert.equal(segment.size, 8 * 2 ** 30);
 * ```
 */
export interface SegmentCreateOptions extends SegmentPlacementOptions {
  /** The key others find it by; without one it is private and found by its id. */
  readonly key?: number;
  /** Bytes, at least 1. The memory starts as zeros. */
  readonly size: number;
  /** Permission bits; 0o600 if not said, 0o700 with `execute`. The umask has no part in it. */
  readonly mode?: number;
  /** Promise no memory up front, so that a segment may be larger than what is free (Linux). */
  readonly noReserve?: boolean;
  /**
   * Back it with huge pages: `true` for those of the system's usual size (`Hugepagesize` in
   * `/proc/meminfo`), or their size in bytes, of those below `/sys/kernel/mm/hugepages`. They come
   * from a pool that is empty unless somebody has filled it (`sysctl vm.nr_hugepages`) and are taken
   * from it at once: enough for `size` rounded up. `size` itself stays as it is, also in
   * {@linkcode SegmentStat}, and so do the bounds.
   *
   * Not with `noReserve`: the kernel kills (SIGBUS) who touches a huge page there is none for, which
   * can also happen in a segment that another program made so, and under a hugetlb cgroup limit.
   */
  readonly hugePages?: boolean | number;
}

/**
 * How {@linkcode Segment.attach} and {@linkcode Segment.open} attach a segment.
 *
 * @example
 * ```ts
 * import { type SegmentAttachOptions, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SegmentAttachOptions = { readOnly: true };
 * using owner = Segment.create({ size: 64 });
 * owner.remove();
 * using reader = Segment.attach(owner.id, options);
 * assert.throws(() => reader.write(new Uint8Array(1)), { code: "EREADONLY" });
 * ```
 */
export interface SegmentAttachOptions extends SegmentPlacementOptions {
  /** Attach for reading only: nothing writable is handed out. */
  readonly readOnly?: boolean;
  /** Accept a segment that another user, not root, created or owns. */
  readonly trust?: boolean;
}

/**
 * How {@linkcode Segment.open} finds and attaches a segment.
 *
 * @example
 * ```ts
 * import { type SegmentOpenOptions, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SegmentOpenOptions = { minSize: 4096, readOnly: true };
 * using owner = Segment.create({ key: 0x5eed000c, size: 64 });
 * assert.throws(() => Segment.open(0x5eed000c, options), { code: "EINVAL" });
 * owner.remove();
 * ```
 */
export interface SegmentOpenOptions extends SegmentAttachOptions {
  /** Refuse a segment smaller than this many bytes. */
  readonly minSize?: number;
}

/**
 * How {@linkcode Segment.openOrCreate} finds or makes a segment. What only says how it is made (`mode`,
 * `noReserve`, `hugePages`) has no effect on one that is there.
 *
 * @example
 * ```ts
 * import { type SegmentOpenOrCreateOptions, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SegmentOpenOrCreateOptions = { key: 0x5eed000d, size: 64 };
 * using segment = Segment.openOrCreate(options);
 * segment.remove();
 * assert(segment.created);
 * ```
 */
export interface SegmentOpenOrCreateOptions extends SegmentCreateOptions {
  /** The key others find it by. */
  readonly key: number;
  /** Accept a segment that another user, not root, created or owns. */
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

/** {@linkcode SegmentCreateOptions}, checked: what a new segment is to be. */
export interface NewSegment {
  readonly size: number;
  readonly mode: number;
  /** Bytes of its pages where they are huge: 0 for the system's usual size. */
  readonly hugePageSize: number | undefined;
  /** The flags of `shmget`. */
  readonly flags: number;
}

/**
 * Checks that what {@linkcode readCreateOptions} gave goes together.
 *
 * @throws {TypeError} `hugePages` with `noReserve`
 * @throws {RangeError} `hugePages` is no size of huge pages
 */
export function checkNew(options: SegmentCreateOptions): NewSegment {
  const { size, mode = options.execute === true ? 0o700 : 0o600 } = options;
  let flags = IPC.CREAT | IPC.EXCL | mode;
  if (options.noReserve === true) flags |= SHM.NORESERVE;
  const { hugePages = false } = options;
  if (hugePages === false) return { size, mode, hugePageSize: undefined, flags };
  if (options.noReserve === true) {
    throw new TypeError(
      "hugePages with noReserve would let the kernel kill who touches the memory",
    );
  }
  flags |= SHM.HUGETLB;
  if (hugePages === true) return { size, mode, hugePageSize: 0, flags };
  const logarithm = HUGE_PAGE.LOGARITHMS.find((each) => 2 ** each === hugePages);
  if (logarithm === undefined) {
    throw new RangeError(
      `hugePages ${hugePages} is no size of huge pages: true, or one of ` +
        HUGE_PAGE.LOGARITHMS.map((each) => 2 ** each).join(", "),
    );
  }
  // 34, for pages of 16 GiB, goes into the sign bit: the kernel looks at the bits alone
  return { size, mode, hugePageSize: hugePages, flags: flags | logarithm << HUGE_PAGE.SHIFT };
}

/**
 * Checks a number of bytes.
 *
 * @throws {TypeError} no number
 * @throws {RangeError} not a positive integer that a number holds exactly
 */
export function checkSize(value: unknown, name: string): number {
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
