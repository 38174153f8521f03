/**
 * One attach of one segment: the mapping, its only buffer, and how both end.
 *
 * A buffer that outlives its mapping kills the process at the next access (SIGSEGV). Therefore zero pages
 * replace the memory in the same step that detaches it, and a buffer that was handed out is emptied with
 * all its views. An engine operation still in progress reads zeros. Internal: used by `segment.ts`.
 */

import { HUGE_PAGE } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { replaceWithZeroPages, shmat, shmdt } from "../../ffi/shm.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { type AddressRange, giveBackWithin, quarantine } from "./address_quarantine.ts";
import { checkRoom, type Placement } from "./placement.ts";
import { pageSize } from "./segment_limits.ts";
import { tryStat } from "./segment_stat.ts";

/** The state of an attach. The finalizer of a dropped attach receives it. */
interface Held extends AddressRange {
  readonly id: number;
  /** The memory of the whole segment, without the rest of its last page. */
  readonly buffer: ArrayBuffer;
  /** Whether code outside this folder may use the memory. */
  handedOut: boolean;
}

/**
 * Replaces the mapping with zero pages, which detaches it. Returns their range, or -errno.
 *
 * A mapping of huge pages can only be replaced as a whole, and the page size is not known. A length that
 * ends inside a huge page is refused with `EINVAL`, so this tries the page sizes from the smallest. The
 * first accepted length ends exactly at the end of the mapping.
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
 * Buffers of dropped segments: every view keeps its buffer alive. The zero pages stay, because the buffer
 * may have been transferred. A failure cannot be reported here: the segment then stays attached until the
 * process ends, which does the least harm.
 */
const orphaned = new FinalizationRegistry<AddressRange>((range) => void replace(range));

/**
 * The last resort for a segment dropped without `detach`. If its buffer was transferred, it stays attached
 * until the process ends: the new holder of the memory must not see zeros.
 */
const dropped = new FinalizationRegistry<Held>(({ buffer, handedOut, address, size }) => {
  if (!handedOut) shmdt(address);
  else if (!buffer.detached) orphaned.register(buffer, { address, size });
});

/**
 * Attaches a segment, or returns -errno. `EINVAL` means that the segment is gone or the address is taken.
 *
 * @throws {RangeError} the segment would end too high above the requested address
 */
export function tryAttach(id: number, placement: Placement): Deno.PointerObject | number {
  const { address, flags } = placement;
  if (address === undefined) return shmat(id, null, flags);
  // The end of the segment must be checked before it is attached
  const stat = tryStat(id);
  if (typeof stat === "number") return stat;
  checkRoom(placement, stat.size);
  const pointer = Deno.UnsafePointer.create(address);
  const attached = shmat(id, pointer, flags);
  if (attached !== -ERRNO.EINVAL) return attached;
  // The address may be that of a detached segment: the caller asks for exactly this one and may have it
  const page = address - address % BigInt(pageSize());
  return giveBackWithin(page, stat.size) ? shmat(id, pointer, flags) : attached;
}

/** An attached segment of known size. */
export class Attachment {
  readonly #held: Held;

  /** Takes over the mapping at `address`, which `tryAttach` returned for the segment `id`. */
  constructor(id: number, address: Deno.PointerObject, size: number) {
    const buffer = Deno.UnsafePointerView.getArrayBuffer(address, size);
    this.#held = { id, address, size, buffer, handedOut: false };
    dropped.register(this, this.#held, this);
  }

  /** The address, only to read its value. */
  get address(): Deno.PointerObject {
    return this.#held.address;
  }

  /** The address, to hand out. */
  get pointer(): Deno.PointerObject {
    this.#held.handedOut = true;
    return this.#held.address;
  }

  /** The memory, to hand out. */
  get buffer(): ArrayBuffer {
    this.#held.handedOut = true;
    return this.#held.buffer;
  }

  /** The memory, for use within one call that does not hand it out. */
  get memory(): ArrayBuffer {
    return this.#held.buffer;
  }

  /**
   * Detaches and empties every view. Call it once.
   *
   * @throws {ShmError} `ENOMEM` no memory for the zero pages; it is still attached and no view is empty
   */
  detach(): void {
    const { id, address, buffer, handedOut } = this.#held;
    if (handedOut) {
      const range = replace(this.#held);
      if (typeof range === "number") {
        throw new ShmError("detach the segment", "mmap", -range, { id });
      }
      // If the buffer was transferred, the zero pages stay for the new holder of the memory
      if (!buffer.detached) quarantine(buffer, range);
    } else unmap(id, address);
    dropped.unregister(this);
    // The buffer that transfer() returns still has the address: it must not leave this function
    if (!buffer.detached) buffer.transfer();
  }
}

/** Detaches a mapping whose memory was never handed out. */
export function unmap(id: number, address: Deno.PointerObject): void {
  const result = shmdt(address);
  if (result < 0) throw new ShmError("detach the segment", "shmdt", -result, { id });
}
