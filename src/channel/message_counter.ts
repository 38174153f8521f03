/**
 * Counts the messages up to a position. There are two counters, so that one of them holds the count at
 * the published position whenever their writer dies. Internal: used by the channel.
 */

import { COUNTER_WORD } from "./lane_words.ts";

const { POSITION, LOW, HIGH, NEXT } = COUNTER_WORD;
const TWO_32 = 2 ** 32;

/** The count up to `position` in the two counters at `first`, or 0 if neither has that position. */
export function readMessageCount(
  words: Int32Array<ArrayBuffer>,
  first: number,
  position: number,
): number {
  for (const at of [first, first + NEXT]) {
    if (words[at + POSITION] !== position) continue;
    return (words[at + LOW]! >>> 0) + (words[at + HIGH]! >>> 0) * TWO_32;
  }
  return 0;
}

/** Whether one of the two counters at `first` has `position`. */
export function hasMessageCount(
  words: Int32Array<ArrayBuffer>,
  first: number,
  position: number,
): boolean {
  return [first, first + NEXT].some((at) => words[at + POSITION] === position);
}

/**
 * The counters of one line, for their only writer. The count is two words here too: the engine would
 * keep one number as floating-point, to be divided and rounded before each publish.
 */
export class MessageCounter {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #first: number;
  #at: number;
  #low = 0;
  #high = 0;

  /** Continues where the last writer of the line stopped, at `position`, the published one. */
  constructor(words: Int32Array<ArrayBuffer>, first: number, position: number) {
    this.#words = words;
    this.#first = first;
    this.skipTo(readMessageCount(words, first, position));
    this.#at = words[first + POSITION] === position ? first : first + NEXT;
  }

  /** The number of messages up to the published position. */
  get count(): number {
    return (this.#low >>> 0) + (this.#high >>> 0) * TWO_32;
  }

  /** Raises the count to `count`, if that is more. */
  skipTo(count: number): void {
    if (count <= this.count) return;
    this.#low = count | 0;
    this.#high = (count / TWO_32) | 0;
  }

  /** Adds `messages`, fewer than 2^31, up to `position`, which is published next. */
  add(messages: number, position: number): void {
    const first = this.#first;
    const at = this.#at = this.#at === first ? first + NEXT : first;
    const before = this.#low;
    const low = this.#low = (before + messages) | 0;
    // The low word wraps where, as a signed word, it changes from negative to not negative
    if (before < 0 && low >= 0) this.#high = (this.#high + 1) | 0;
    const words = this.#words;
    words[at + POSITION] = position;
    words[at + LOW] = low;
    words[at + HIGH] = this.#high;
  }
}
