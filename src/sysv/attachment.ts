/**
 * One attach of one segment: the mapping, the one buffer over it, and the end of both.
 *
 * A buffer that outlives its mapping kills the process at the next access (SIGSEGV). So a buffer that
 * was handed out is emptied first, with all its views, and zero pages take the memory's place in the same
 * step that detaches it: what the engine has under way in there finds zeros. For `segment.ts` only.
 */

import { HUGE_PAGE } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { replaceWithZeroPages, shmat, shmdt } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { type AddressRange, giveBackWithin, quarantine } from "./address_quarantine.ts";
import { checkRoom, type Placement } from "./placement.ts";
import { pageSize } from "./segment_limits.ts";
import { tryStat } from "./segment_stat.ts";

/** What an attach holds; the finalizer of one that was dropped gets it. */
interface Held extends AddressRange {
  readonly id: number;
  /** The segment's memory, all of it and no more: not the rest of its last page. */
  readonly buffer: ArrayBuffer;
  /** Whether anybody outside this room may use the memory. */
  handedOut: boolean;
}

/**
 * Puts zero pages in the mapping's place, which detaches it. The range they take, or -errno.
 *
 * A mapping of huge pages is replaced whole or not at all, and nothing tells how large they are: a
 * length that ends within one is refused with `EINVAL`, so we go through their sizes from the smallest.
 * The first that is accepted reaches to the mapping's end, and not beyond.
 */
function replace({ address, size }: AddressRange): AddressRange | number {
  let result = replaceWithZeroPages(address, size);
  if (result === 0) return { address, size };
  for (const logarithm of HUGE_PAGE.LOGARITHMS) {
    if (result !== -ERRNO.EINVAL) return result;
    const page = 2 ** logarithm;
    const whole = Math.ceil(size / page) * page;
    result = replaceWithZeroPages(address, whole);
    if (result === 0) return { address, size: whole };
  }
  return result;
}

/**
 * Buffers of dropped segments: every view keeps its buffer alive. The zero pages stay, as the buffer may
 * have been transferred. If it fails, nobody is there to be told, and a segment that stays attached
 * until the process ends harms least.
 */
const orphaned = new FinalizationRegistry<AddressRange>((range) => void replace(range));

/**
 * Last resort for a segment dropped without `detach`. One whose buffer was transferred stays attached
 * until the process ends: whoever has the memory now is to see no zeros.
 */
const dropped = new FinalizationRegistry<Held>(({ buffer, handedOut, address, size }) => {
  if (!handedOut) shmdt(address);
  else if (!buffer.detached) orphaned.register(buffer, { address, size });
});

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
  const pointer = Deno.UnsafePointer.create(address);
  const attached = shmat(id, pointer, flags);
  if (attached !== -ERRNO.EINVAL) return attached;
  // A segment may have been there that was detached: the caller, who asks for just this place, may have it
  const page = address - address % BigInt(pageSize());
  return giveBackWithin(page, stat.size) ? shmat(id, pointer, flags) : attached;
}

/** An attached segment of which the size is known. */
export class Attachment {
  readonly #held: Held;

  /** Takes over the mapping at `address`, which `tryAttach` gave for the segment `id`. */
  constructor(id: number, address: Deno.PointerObject, size: number) {
    const buffer = Deno.UnsafePointerView.getArrayBuffer(address, size);
    this.#held = { id, address, size, buffer, handedOut: false };
    dropped.register(this, this.#held, this);
  }

  /** Where the memory is, to be looked at. */
  get address(): Deno.PointerObject {
    return this.#held.address;
  }

  /** Where the memory is, to be handed to others. */
  get pointer(): Deno.PointerObject {
    this.#held.handedOut = true;
    return this.#held.address;
  }

  /** The memory, to be handed to others. */
  get buffer(): ArrayBuffer {
    this.#held.handedOut = true;
    return this.#held.buffer;
  }

  /** The memory, for a use that is over when the call is, and that hands none of it out. */
  get memory(): ArrayBuffer {
    return this.#held.buffer;
  }

  /**
   * Detaches and empties every view. Once.
   *
   * @throws {ShmError} it is still attached, and no view is empty: `ENOMEM`, no room for the zero pages
   */
  detach(): void {
    const { id, address, buffer, handedOut } = this.#held;
    if (handedOut) {
      const range = replace(this.#held);
      if (typeof range === "number") {
        throw new ShmError("detach the segment", "mmap", -range, { id });
      }
      // Where the buffer was transferred, the zero pages stay for whoever has the memory now
      if (!buffer.detached) quarantine(buffer, range);
    } else unmap(id, address);
    dropped.unregister(this);
    // The buffer that transfer() returns still has the address: nobody may get hold of it
    if (!buffer.detached) buffer.transfer();
  }
}

/** Detaches a mapping of which nobody holds the memory. */
export function unmap(id: number, address: Deno.PointerObject): void {
  const result = shmdt(address);
  if (result < 0) throw new ShmError("detach the segment", "shmdt", -result, { id });
}
