/**
 * Where and for what a segment is attached, in `shmat`'s words, and which addresses may be asked for.
 * For `segment.ts` and `attachment.ts`; why this is safe is told at {@linkcode SegmentPlacementOptions}.
 */

import { AT, SHM } from "../../ffi/constants.ts";
import { getauxval } from "../../ffi/libc.ts";
import { pageSize } from "./segment_limits.ts";
import type { SegmentPlacementOptions } from "./segment_options.ts";

/** {@linkcode SegmentPlacementOptions} as `shmat` takes them, checked as far as the size has no part in it. */
export interface Placement {
  readonly readOnly: boolean;
  readonly execute: boolean;
  /** Where; `undefined` leaves it to the kernel. */
  readonly address: bigint | undefined;
  /** The flags of `shmat`. */
  readonly flags: number;
}

/** No lower address is taken: null pointers lead there, and no page of any system is larger. */
const LOWEST = 0x10000n;

/**
 * Checks where and for what a segment is to be attached. Only who may ask for it says `readOnly`: what
 * is mapped so and taken for writable kills the process.
 *
 * @throws {TypeError} an address that is no bigint, `round` without one
 * @throws {RangeError} an address that is too low, or not a multiple of the page size without `round`
 */
export function checkPlacement(options: SegmentPlacementOptions, readOnly = false): Placement {
  const { execute = false, round = false, address } = options;
  const flags = (readOnly ? SHM.RDONLY : 0) | (execute ? SHM.EXEC : 0) | (round ? SHM.RND : 0);
  if (address === undefined) {
    if (round) throw new TypeError("round says how to treat an address, and there is none");
    return { readOnly, execute, address, flags };
  }
  // Rounded down to 0, the kernel would take whatever place it finds there, in use or not
  if (address < LOWEST) {
    throw new RangeError(`address ${hex(address)} is below ${hex(LOWEST)}`);
  }
  const page = pageSize();
  if (!round && address % BigInt(page) !== 0n) {
    throw new RangeError(
      `address ${hex(address)} is not a multiple of ${page}, the page size: choose one, or pass ` +
        "round: true",
    );
  }
  return { readOnly, execute, address, flags };
}

/**
 * Checks that `size` bytes from the address asked for, if there is one, are in the lower half of the
 * address space: the stack, and with it all it may grow into, is in the upper one.
 *
 * @throws {RangeError} they are not
 */
export function checkRoom({ address }: Placement, size: number): void {
  if (address === undefined) return;
  const onStack = getauxval(AT.RANDOM);
  const half = 1n << BigInt(onStack.toString(2).length - 1);
  if (address + BigInt(size) > half) {
    throw new RangeError(
      `${size} bytes at address ${hex(address)} do not end at or before ${hex(half)}, the middle ` +
        "of the address space",
    );
  }
}

/** An address as people write it. */
export function hex(address: bigint): string {
  return address < 0n ? `${address}` : `0x${address.toString(16)}`;
}
