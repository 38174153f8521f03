/**
 * A segment that is looked at again and again, read-only, from the first copy of its bytes to its end.
 * For `watch`.
 *
 * Our own attach keeps a segment that is marked for removal, so its end is told by the mark. One that
 * bore it when we came ends when nobody else is attached any more.
 */

import type { Segment } from "../../sysv/segment.ts";
import { type SegmentStat, tryStat } from "../../sysv/segment_stat.ts";
import { runs } from "./byte_changes.ts";
import type { ByteRange } from "../bytes/byte_range.ts";

/** What one look has found. */
export interface Look {
  readonly time: Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly at: number;
  /** Private copies of the bytes, at the look before and now; one and the same if they are equal. */
  readonly before: Uint8Array<ArrayBuffer>;
  readonly now: Uint8Array<ArrayBuffer>;
  /** How many attaches there are beside ours. */
  readonly others: number;
  /** Why there is nothing more to see, if so. */
  readonly end: string | undefined;
}

/** What is watched. */
export class Watched {
  readonly #segment: Segment;
  readonly #range: ByteRange;
  readonly #marked: boolean;
  #bytes: Uint8Array<ArrayBuffer>;

  /** Takes the first copy. The segment stays the caller's, to be detached. */
  constructor(segment: Segment, range: ByteRange) {
    this.#segment = segment;
    this.#range = range;
    const stat = tryStat(segment.id);
    this.#marked = typeof stat !== "number" && stat.markedForRemoval;
    this.#bytes = this.#read();
  }

  #read(): Uint8Array<ArrayBuffer> {
    return this.#segment.read(this.#range.offset, this.#range.length);
  }

  /** Looks again. */
  look(): Look {
    // What was written before the end must be seen, so the end is looked for first
    const stat = tryStat(this.#segment.id);
    const others = typeof stat === "number" ? 0 : Math.max(0, stat.nattch - 1);
    const end = this.#endOf(stat, others);
    const before = this.#bytes;
    const copy = this.#read();
    if (runs(before, copy).next().done !== true) this.#bytes = copy;
    return { time: new Date(), at: performance.now(), before, now: this.#bytes, others, end };
  }

  #endOf(stat: SegmentStat | number, others: number): string | undefined {
    const { id } = this.#segment;
    // Attached it cannot go; but before Linux 4.17 no facts are to be had without read permission
    if (typeof stat === "number") return `segment ${id} cannot be looked at any more`;
    if (!stat.markedForRemoval) return undefined;
    if (!this.#marked) return `segment ${id} was marked for removal`;
    return others === 0 ? `segment ${id} goes: nobody else is attached any more` : undefined;
  }
}
