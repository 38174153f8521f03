/**
 * One attach of one segment: the mapping, the one buffer over it, and the end of both.
 *
 * A buffer that outlives its mapping kills the process at the next access (SIGSEGV), so the order is
 * always: first take the memory from the buffer and all its views, then unmap. For `segment.ts` only.
 */

import { SHM } from "../../ffi/constants.ts";
import { replaceWithZeroPages, shmat, shmdt } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";

interface Mapping {
  readonly id: number;
  readonly address: Deno.PointerObject;
  readonly size: number;
}

/**
 * Unmaps where code we know nothing of may still hold the memory: a buffer that was transferred (to
 * a Worker, say) before its segment was detached or dropped. Zero pages take the mapping's place in
 * one step, so that a late access reads or writes nothing of the segment and crashes nothing.
 */
function release({ id, address, size }: Mapping): void {
  const result = replaceWithZeroPages(address, size);
  if (result < 0) throw new ShmError("detach the segment", "mmap", -result, { id });
}

/** Last resort for a segment dropped without `detach`. Every view keeps the buffer alive. */
const dropped = new FinalizationRegistry<Mapping>(release);

/** Attaches, or gives -errno. */
export function tryAttach(id: number, readOnly: boolean): Deno.PointerObject | number {
  return shmat(id, null, readOnly ? SHM.RDONLY : 0);
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
    if (this.buffer.detached) return release(this.#mapping);
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
