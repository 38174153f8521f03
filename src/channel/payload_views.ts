/**
 * Views of payloads without an allocation a message. For the files of this folder.
 *
 * A `Uint8Array` over another place is another object, and making one costs more than copying a small
 * message. So small payloads pass through a piece of private memory that has a view for each length,
 * and larger ones get a view over the ring, which is kept: as the ring goes round, the same places
 * come again.
 */

/** Payloads up to this many bytes are copied by words: that is no slower than a new view. */
export const SMALL = 64;

const WORD = Int32Array.BYTES_PER_ELEMENT;

/** Private memory for small payloads, and its views. */
export class SmallPayload {
  readonly #words: Int32Array<ArrayBuffer> = new Int32Array(SMALL / WORD);
  readonly #views: readonly Uint8Array<ArrayBuffer>[] = Array.from(
    { length: SMALL + 1 },
    (_, length) => new Uint8Array(this.#words.buffer, 0, length),
  );

  /** Made beforehand for the next copy, if that is as long as the last one. */
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #lastLength = 0;

  /** The first `length` bytes, whatever they are. */
  view(length: number): Uint8Array<ArrayBuffer> {
    return this.#views[length]!;
  }

  /** Copies `length` bytes from `ring`, beginning with its word `from`, and gives them. */
  load(ring: Int32Array<ArrayBuffer>, from: number, length: number): Uint8Array<ArrayBuffer> {
    const words = this.#words;
    const count = (length + WORD - 1) >> 2;
    if (count === words.length) {
      // A cache line, written out as in `lane_writer.ts`: with the loop a drain takes a fifth longer
      words[0] = ring[from]!;
      words[1] = ring[from + 1]!;
      words[2] = ring[from + 2]!;
      words[3] = ring[from + 3]!;
      words[4] = ring[from + 4]!;
      words[5] = ring[from + 5]!;
      words[6] = ring[from + 6]!;
      words[7] = ring[from + 7]!;
      words[8] = ring[from + 8]!;
      words[9] = ring[from + 9]!;
      words[10] = ring[from + 10]!;
      words[11] = ring[from + 11]!;
      words[12] = ring[from + 12]!;
      words[13] = ring[from + 13]!;
      words[14] = ring[from + 14]!;
      words[15] = ring[from + 15]!;
    } else for (let i = 0; i < count; i++) words[i] = ring[from + i]!;
    return this.#views[length]!;
  }

  /** As {@linkcode SmallPayload.load}, but what it gives is the caller's own. */
  copy(ring: Int32Array<ArrayBuffer>, from: number, length: number): Uint8Array<ArrayBuffer> {
    const loaded = this.load(ring, from, length);
    const spare = this.#spare;
    this.#lastLength = length;
    if (spare === undefined || spare.length !== length) return new Uint8Array(loaded);
    this.#spare = undefined;
    spare.set(loaded);
    return spare;
  }

  /**
   * To be called before a sleep: after it nothing is warm, and an array that is there already saves the
   * one who waits for the message microseconds.
   */
  prepare(): void {
    if (this.#spare?.length !== this.#lastLength) this.#spare = new Uint8Array(this.#lastLength);
  }

  /** Copies `length` bytes into `ring`, beginning with its word `to`. */
  store(ring: Int32Array<ArrayBuffer>, to: number, length: number): void {
    const words = this.#words;
    const count = (length + WORD - 1) >> 2;
    for (let i = 0; i < count; i++) ring[to + i] = words[i]!;
  }
}

/** Places of a ring that have a kept view of their own; of several in one place the last one has. */
const MOST_KEPT = 4096;

/** The views over one ring. */
export class RingViews {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #kept: (Uint8Array<ArrayBuffer> | undefined)[];
  readonly #offsets: Int32Array<ArrayBuffer>;
  readonly #mask: number;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    // Larger payloads than small ones cannot begin closer together than this
    const places = Math.max(1, Math.min(MOST_KEPT, bytes.length / SMALL));
    this.#kept = new Array(places).fill(undefined);
    this.#offsets = new Int32Array(places);
    this.#mask = places - 1;
  }

  /** The `length` bytes at `offset`, which are in the ring. */
  at(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const place = (offset / SMALL) & this.#mask;
    const kept = this.#kept[place];
    if (kept !== undefined && kept.length === length && this.#offsets[place] === offset) {
      return kept;
    }
    const { buffer, byteOffset } = this.#bytes;
    const view = new Uint8Array(buffer, byteOffset + offset, length);
    this.#kept[place] = view;
    this.#offsets[place] = offset;
    return view;
  }
}
