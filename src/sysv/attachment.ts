/**
 * One attach of one segment: the mapping, the one buffer over it, and the end of both.
 *
 * A buffer that outlives its mapping kills the process at the next access (SIGSEGV), so the order is
 * always: first take the memory from the buffer and all its views, then unmap. For `segment.ts` only.
 */

import { HUGE_PAGE } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { replaceWithZeroPages, shmat, shmdt } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkRoom, type Placement } from "./placement.ts";
import { tryStat } from "./segment_stat.ts";

interface Mapping {
  readonly id: number;
  readonly address: Deno.PointerObject;
  readonly size: number;
}

/**
 * Unmaps where code we know nothing of may still hold the memory: a buffer that was transferred (to
 * a Worker, say) before its segment was detached or dropped. Zero pages take the mapping's place in
 * one step, so that a late access reads or writes nothing of the segment and crashes nothing.
 * 0, or -errno.
 *
 * A mapping of huge pages is replaced whole or not at all, and nothing tells how large they are: a
 * length that ends within one is refused with `EINVAL`, so we go through their sizes from the smallest.
 * The first that is accepted reaches to the mapping's end, and not beyond.
 */
function release({ address, size }: Mapping): number {
  let result = replaceWithZeroPages(address, size);
  for (const logarithm of HUGE_PAGE.LOGARITHMS) {
    if (result !== -ERRNO.EINVAL) return result;
    const page = 2 ** logarithm;
    result = replaceWithZeroPages(address, Math.ceil(size / page) * page);
  }
  return result;
}

/**
 * Last resort for a segment dropped without `detach`. Every view keeps the buffer alive. If it fails,
 * nobody is there to be told, and a segment that stays attached until the process ends harms least.
 */
const dropped = new FinalizationRegistry<Mapping>((mapping) => void release(mapping));

/**
 * Attaches, or gives -errno. `EINVAL` means that the segment is gone or that the place is taken.
 *
 * @throws {RangeError} the segment would reach too far from the address asked for
 */
export function tryAttach(id: number, placement: Placement): Deno.PointerObject | number {
  const { address, flags } = placement;
  if (address === undefined) return shmat(id, null, flags);
  // How far it would reach must be known before: afterwards it would be too late
  const stat = tryStat(id);
  if (typeof stat === "number") return stat;
  checkRoom(placement, stat.size);
  return shmat(id, Deno.UnsafePointer.create(address), flags);
}

/** An attached segment of which the size is known. */
export class Attachment {
  /** The segment's memory, all of it and no more: not the rest of its last page. */
  readonly buffer: ArrayBuffer;
  readonly #mapping: Mapping;

  /** Takes over the mapping at `address`, which `tryAttach` gave for the segment `id`. */
  constructor(id: number, address: Deno.PointerObject, size: number) {
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(address, size);
    this.#mapping = { id, address, size };
    dropped.register(this.buffer, this.#mapping, this);
  }

  /** Where the memory is. */
  get address(): Deno.PointerObject {
    return this.#mapping.address;
  }

  /** Empties every view, then unmaps. Once. */
  detach(): void {
    dropped.unregister(this);
    if (this.buffer.detached) {
      const result = release(this.#mapping);
      if (result === 0) return;
      throw new ShmError("detach the segment", "mmap", -result, { id: this.#mapping.id });
    }
    // The buffer that transfer() returns still aliases the memory: nobody may get hold of it
    this.buffer.transfer();
    unmap(this.#mapping.id, this.#mapping.address);
  }
}

/** Detaches a mapping of which nobody holds the memory. */
export function unmap(id: number, address: Deno.PointerObject): void {
  const result = shmdt(address);
  if (result < 0) throw new ShmError("detach the segment", "shmdt", -result, { id });
}
