/**
 * The walk from the newest record of a lane to older ones, beside an owner that goes on to overwrite them.
 * Internal: used by `lane_subscriber.ts`.
 */

import { loadFence } from "../sync/load_fence.ts";
import { RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { LANE_WORD, type LaneMemory, type LaneState, RECORD_WORD } from "./lane_words.ts";

/** Records between two looks at `intent`: one for each record would take twice as long. */
const STRIDE = 32;

/** A record in the ring. */
export interface OldRecord {
  /** Its distance from the tail of the state, in bytes. */
  readonly behind: number;
  /** How many messages there are from it to that tail. */
  readonly messages: number;
}

/** What is there if no record is. */
const NOTHING: OldRecord = { behind: 0, messages: 0 };

/** How much of a ring of so many bytes is read again at most: an eighth remains to be written meanwhile. */
export function longestReach(capacity: number): number {
  return capacity / 8 * 7;
}

/**
 * Finds the oldest record that can still be read, at most `most` messages and `reach` bytes before the tail
 * of `state`. Records that are overwritten soon do not count, so that there is time to read what is found.
 *
 * @returns `undefined` if a record that is not overwritten cannot be one
 */
export function findOldest(
  { words, ring, bytes }: LaneMemory,
  state: LaneState,
  most: number,
  reach: number,
): OldRecord | undefined {
  const capacity = bytes.length;
  const tail = state.end | 0;
  const count = Math.min(most, state.count);
  const low = state.count | 0;
  let found = NOTHING;
  /** The distance of the record before `found`. */
  let next = (tail - state.last) >>> 0;
  for (let stride = STRIDE; found.messages < count;) {
    let { behind, messages } = found;
    let before = next;
    let possible = true;
    for (let steps = 0; steps < stride && messages < count; steps++) {
      possible = before - behind >= RECORD.size && before % RECORD_ALIGN === 0 &&
        before <= capacity;
      if (!possible) break;
      const at = ((tail - before) & (capacity - 1)) >> 2;
      possible = ring[at + RECORD_WORD.NUMBER] === ((low - messages) | 0);
      if (!possible) break;
      behind = before;
      messages++;
      before += ring[at + RECORD_WORD.BACK]! >>> 0;
    }
    loadFence();
    // SYNC overwrite: what was not overwritten before this load was whole when it was read
    const written = (Atomics.load(words, LANE_WORD.INTENT) - tail) >>> 0;
    if (possible && written + behind <= reach) {
      found = { behind, messages };
      next = before;
    } else if (stride > 1) stride = 1;
    else if (!possible && written + next <= capacity) return undefined;
    else return found;
  }
  return found;
}
