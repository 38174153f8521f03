/**
 * A segment that is copied and compared repeatedly, read-only, from the first copy to its end. Internal:
 * used by `watch`.
 *
 * Our own attach keeps a segment that is marked for removal, so the mark shows its end. A segment that
 * was marked from the start ends when no other process is attached any more. Between looks we may be
 * detached: then the segment may go at any time, and counts as gone.
 */

import { saysGone } from "../../sysv/object_stat.ts";
import { Segment } from "../../sysv/segment.ts";
import { type SegmentStat, tryStat } from "../../sysv/segment_stat.ts";
import { runs } from "./byte_changes.ts";
import type { ByteRange } from "../bytes/byte_range.ts";

export interface Look {
  readonly time: Date;
  /** Milliseconds on the monotonic clock. */
  readonly at: number;
  /** Private copies of the bytes at the look before and now; the same array if they are equal. */
  readonly before: Uint8Array<ArrayBuffer>;
  readonly now: Uint8Array<ArrayBuffer>;
  /** The number of attaches besides ours. */
  readonly others: number;
  /** Why there will be no more changes, if the segment has ended. */
  readonly end: string | undefined;
}

/** The watched segment. It is attached until disposal, or only during each look. */
export class Watched implements Disposable {
  readonly #id: number;
  readonly #range: ByteRange;
  readonly #marked: boolean;
  /** Our attach, if it is kept between looks. */
  readonly #segment: Segment | undefined;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(
    id: number,
    range: ByteRange,
    { detachBetween }: { readonly detachBetween: boolean },
  ) {
    this.#id = id;
    this.#range = range;
    const stat = tryStat(id);
    this.#marked = typeof stat !== "number" && stat.markedForRemoval;
    this.#segment = detachBetween ? undefined : attach(id);
    this.#bytes = this.#read();
  }

  #read(): Uint8Array<ArrayBuffer> {
    const { offset, length } = this.#range;
    if (this.#segment !== undefined) return this.#segment.read(offset, length);
    using segment = attach(this.#id);
    return segment.read(offset, length);
  }

  /** The current bytes; `undefined` if the segment is gone. */
  #tryRead(): Uint8Array<ArrayBuffer> | undefined {
    try {
      return this.#read();
    } catch (error) {
      if (saysGone(error)) return undefined;
      throw error;
    }
  }

  look(): Look {
    // Writes before the end must be seen, so the end is checked before the bytes are read
    const stat = tryStat(this.#id);
    const ours = Number(this.#segment !== undefined);
    const others = typeof stat === "number" ? 0 : Math.max(0, stat.nattch - ours);
    const before = this.#bytes;
    const copy = this.#tryRead();
    const end = copy === undefined ? `segment ${this.#id} is gone` : this.#endOf(stat, others);
    if (copy !== undefined && runs(before, copy).next().done !== true) this.#bytes = copy;
    return { time: new Date(), at: performance.now(), before, now: this.#bytes, others, end };
  }

  #endOf(stat: SegmentStat | number, others: number): string | undefined {
    const id = this.#id;
    // While attached it cannot go; but before Linux 4.17 its facts need read permission
    if (typeof stat === "number") return `segment ${id} cannot be read any more`;
    if (!stat.markedForRemoval) return undefined;
    if (!this.#marked) return `segment ${id} was marked for removal`;
    return others === 0 ? `segment ${id} goes: no other process is attached any more` : undefined;
  }

  [Symbol.dispose](): void {
    this.#segment?.detach();
  }
}

/** Reading is harmless, even if another user created it: its contents are shown and never obeyed. */
function attach(id: number): Segment {
  return Segment.attach(id, { readOnly: true, trust: true });
}
