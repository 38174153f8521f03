/**
 * Address ranges of detached segments that the engine may still use.
 *
 * Work of the engine that goes on elsewhere (hashing on another thread, a read that waits for the
 * network) holds addresses that were a segment's, and nothing tells when it ends: some of it holds the
 * buffer, some only the memory. So the ranges stay mapped, to zero pages that cost nothing until they are
 * written to. They are given back in the order of their detach, but only once the buffer was collected
 * and many others have followed. For `attachment.ts` only.
 */

import { unmap } from "../../ffi/libc.ts";

/** A range that zero pages are mapped to. */
export interface AddressRange {
  readonly address: Deno.PointerObject;
  /** Bytes. */
  readonly size: number;
}

/** Ranges in the order they came; beyond its bounds the oldest are given back. */
class Ranges {
  readonly #ranges = new Set<AddressRange>();
  readonly #most: number;
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(most: number, mostBytes: number) {
    this.#most = most;
    this.#mostBytes = mostBytes;
  }

  add(range: AddressRange): void {
    this.#ranges.add(range);
    this.#bytes += range.size;
    for (const oldest of this.#ranges) {
      if (this.#ranges.size <= this.#most && this.#bytes <= this.#mostBytes) return;
      this.giveBack(oldest);
    }
  }

  /** Forgets a range, and says whether it was here. */
  delete(range: AddressRange): boolean {
    if (!this.#ranges.delete(range)) return false;
    this.#bytes -= range.size;
    return true;
  }

  /** Unmaps a range. It can fail only where the kernel has no memory left, and then it stays. */
  giveBack(range: AddressRange): void {
    this.delete(range);
    unmap(range.address, range.size);
  }

  giveBackWithin(start: bigint, end: bigint): boolean {
    const overlapping = this.#ranges.values().filter(({ address, size }) => {
      const first = Deno.UnsafePointer.value(address);
      return first < end && start < first + BigInt(size);
    }).toArray();
    for (const range of overlapping) this.giveBack(range);
    return overlapping.length > 0;
  }
}

/**
 * Ranges whose buffer is still there. Finalizers run between tasks only, so a task that attaches and
 * detaches in a loop needs a bound too. There are 2^47 bytes of addresses.
 */
const seen = new Ranges(2 ** 15, 2 ** 40);

/** Ranges whose buffer was collected. */
const unseen = new Ranges(2 ** 14, 2 ** 36);

const collected = new FinalizationRegistry<AddressRange>((range) => {
  if (seen.delete(range)) unseen.add(range);
});

/** Takes over a range of zero pages of which `buffer`, detached by now, was handed out. */
export function quarantine(buffer: ArrayBuffer, range: AddressRange): void {
  seen.add(range);
  collected.register(buffer, range);
}

/** Gives back whatever overlaps `size` bytes at `address`, and says whether there was anything. */
export function giveBackWithin(address: bigint, size: number): boolean {
  const end = address + BigInt(size);
  return [seen, unseen].map((ranges) => ranges.giveBackWithin(address, end)).includes(true);
}
