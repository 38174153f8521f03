/** Which messages of a stream a bridge has sent, by their numbers there. Internal: used by `bridge_in.ts`. */

/** More than the gaps between messages that are on their way. Older numbers are forgotten first. */
const MOST_RANGES = 65_536;

/** A set of numbers that are mostly added in ascending order, without gaps. */
export class SentSequences {
  readonly #ranges: { readonly first: number; last: number }[] = [];
  #highest = 0;

  /** Adds a number. */
  add(sequence: number): void {
    const range = this.#ranges.at(-1);
    if (range !== undefined && sequence === range.last + 1) range.last = sequence;
    else this.#ranges.push({ first: sequence, last: sequence });
    if (this.#ranges.length > MOST_RANGES) this.#ranges.shift();
    if (sequence > this.#highest) this.#highest = sequence;
  }

  /** Whether the number was added, and is not forgotten. */
  has(sequence: number): boolean {
    return sequence <= this.#highest &&
      this.#ranges.some(({ first, last }) => first <= sequence && sequence <= last);
  }
}
