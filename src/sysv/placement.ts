/**
 * The address and flags of an attach, as `shmat` takes them, and which addresses are allowed. Internal:
 * used by `segment.ts` and `attachment.ts`. {@linkcode SegmentPlacementOptions} explains why it is safe.
 */

import { AT, SHM } from "../../ffi/constants.ts";
import { getauxval } from "../../ffi/libc.ts";
import { pageSize } from "./segment_limits.ts";
import type { SegmentPlacementOptions } from "./segment_options.ts";

/** {@linkcode SegmentPlacementOptions} as `shmat` takes them. The size is checked separately. */
export interface Placement {
  readonly readOnly: boolean;
  readonly execute: boolean;
  /** The requested address; with `undefined` the kernel chooses. */
  readonly address: bigint | undefined;
  /** The flags of `shmat`. */
  readonly flags: number;
}

/** The lowest allowed address. Null pointers point below it, and no system has larger pages. */
const LOWEST = 0x10000n;

/**
 * Checks the address and flags of an attach. Only callers that support read-only attaches pass
 * `readOnly`: a write to a read-only mapping kills the process.
 *
 * @throws {TypeError} `round` without an address
 * @throws {RangeError} the address is too low, or not a multiple of the page size without `round`
 */
export function checkPlacement(options: SegmentPlacementOptions, readOnly = false): Placement {
  const { execute = false, round = false, address } = options;
  const flags = (readOnly ? SHM.RDONLY : 0) | (execute ? SHM.EXEC : 0) | (round ? SHM.RND : 0);
  if (address === undefined) {
    if (round) throw new TypeError("round needs an address");
    return { readOnly, execute, address, flags };
  }
  // An address rounded down to 0 would make the kernel choose any address
  if (address < LOWEST) {
    throw new RangeError(`address ${formatAddress(address)} is below ${formatAddress(LOWEST)}`);
  }
  const page = pageSize();
  if (!round && address % BigInt(page) !== 0n) {
    throw new RangeError(
      `address ${
        formatAddress(address)
      } is not a multiple of ${page}, the page size: choose one, or pass ` +
        "round: true",
    );
  }
  return { readOnly, execute, address, flags };
}

/**
 * Checks that `size` bytes from the requested address, if there is one, are in the lower half of the
 * address space. The stack and the range into which it may grow are in the upper half.
 *
 * @throws {RangeError} they are not in the lower half
 */
export function checkRoom({ address }: Placement, size: number): void {
  if (address === undefined) return;
  const onStack = getauxval(AT.RANDOM);
  const half = 1n << BigInt(onStack.toString(2).length - 1);
  if (address + BigInt(size) > half) {
    throw new RangeError(
      `${size} bytes at address ${formatAddress(address)} do not end at or before ${
        formatAddress(half)
      }, the middle ` +
        "of the address space",
    );
  }
}

/** An address in hexadecimal. */
export function formatAddress(address: bigint): string {
  return address < 0n ? `${address}` : `0x${address.toString(16)}`;
}
