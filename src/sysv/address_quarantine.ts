/**
 * Address ranges of detached segments that the engine may still use.
 *
 * Engine operations in progress (hashing on another thread, a read that waits for the network) hold
 * addresses of a detached segment. The library cannot know when they end: some hold the buffer, some only
 * the memory. Therefore the ranges stay mapped, to zero pages that cost nothing until they are written.
 * They are released in the order of their detach, but only after the buffer was collected and many other
 * ranges have followed. Internal: used by `attachment.ts`.
 */

import { unmap } from "../../ffi/shm.ts";

/** An address range with zero pages. */
export interface AddressRange {
  readonly address: Deno.PointerObject;
  /** The size in bytes. */
  readonly size: number;
}

/** Ranges in the order in which they were added. Above the limits the oldest are released. */
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

  /** Removes a range from the list. Returns whether it was in the list. */
  delete(range: AddressRange): boolean {
    if (!this.#ranges.delete(range)) return false;
    this.#bytes -= range.size;
    return true;
  }

  /** Unmaps a range. This fails only if the kernel has no memory; then the range stays mapped. */
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
 * Ranges whose buffer still exists. Finalizers run only between tasks, so a task that attaches and
 * detaches in a loop needs a limit, too. The address space has 2^47 bytes.
 */
const seen = new Ranges(2 ** 15, 2 ** 40);

/** Ranges whose buffer was collected. */
const unseen = new Ranges(2 ** 14, 2 ** 36);

const collected = new FinalizationRegistry<AddressRange>((range) => {
  if (seen.delete(range)) unseen.add(range);
});

/** Takes over a range of zero pages. `buffer`, now detached, was its buffer and was handed out. */
export function quarantine(buffer: ArrayBuffer, range: AddressRange): void {
  seen.add(range);
  collected.register(buffer, range);
}

/** Releases all ranges that overlap `size` bytes at `address`. Returns whether there were any. */
export function giveBackWithin(address: bigint, size: number): boolean {
  const end = address + BigInt(size);
  return [seen, unseen].map((ranges) => ranges.giveBackWithin(address, end)).includes(true);
}
