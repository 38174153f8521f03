/**
 * How many messages passed a position: two tallies, of which one counts up to the published position
 * whenever their writer dies. For the files of this folder.
 */

import { TALLY_WORD } from "./lane_words.ts";

const { POSITION, LOW, HIGH, NEXT } = TALLY_WORD;
const TWO_32 = 2 ** 32;

/** The count up to `position` in the two tallies at `first`, or 0 if neither has it. */
export function readTally(
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

/** The tallies of one line, as its one writer keeps them. */
export class Tally {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #first: number;
  #at: number;
  #count: number;

  /** Goes on where the line's last writer stopped, at `position`, the published one. */
  constructor(words: Int32Array<ArrayBuffer>, first: number, position: number) {
    this.#words = words;
    this.#first = first;
    this.#count = readTally(words, first, position);
    this.#at = words[first + POSITION] === position ? first : first + NEXT;
  }

  /** How many there were up to the published position. */
  get count(): number {
    return this.#count;
  }

  /** Counts `messages` up to `position`, which is published next. */
  add(messages: number, position: number): void {
    const first = this.#first;
    const at = this.#at = this.#at === first ? first + NEXT : first;
    const count = this.#count += messages;
    const words = this.#words;
    words[at + POSITION] = position;
    words[at + LOW] = count;
    words[at + HIGH] = count / TWO_32;
  }
}
