/**
 * Views of payloads without an allocation for each message. Internal: used by the protocols with records
 * in a ring.
 *
 * A `Uint8Array` over another place is a new object, and making one costs more than copying a small
 * message. So small payloads pass through private memory with one view for each length. Larger payloads
 * get a view over the ring, which is kept: the same places come again in the next rounds if all messages
 * have one length.
 */

/**
 * Payloads up to this many bytes are copied by words: a new view costs as much as copying four times
 * that, and where lengths vary, few views can be kept.
 */
export const SMALL = 256;

/**
 * Bytes of the words that payloads are copied by. Words of 4 take a third longer. Optimized code does not
 * allocate a `bigint` that is only copied; with doubles, a payload might change its bits (NaN).
 */
const WIDE = BigUint64Array.BYTES_PER_ELEMENT;

/** The number of words in a cache line. */
const LINE = 8;

/** Copies a cache line of words. Written out: a loop takes half as long again. */
function copyLine(
  from: BigUint64Array,
  first: number,
  to: BigUint64Array,
  target: number,
): void {
  to[target] = from[first]!;
  to[target + 1] = from[first + 1]!;
  to[target + 2] = from[first + 2]!;
  to[target + 3] = from[first + 3]!;
  to[target + 4] = from[first + 4]!;
  to[target + 5] = from[first + 5]!;
  to[target + 6] = from[first + 6]!;
  to[target + 7] = from[first + 7]!;
}

/** Copies `count` words. */
export function copyWords(
  from: BigUint64Array,
  first: number,
  to: BigUint64Array,
  target: number,
  count: number,
): void {
  let i = 0;
  for (; count - i >= LINE; i += LINE) copyLine(from, first + i, to, target + i);
  for (; i < count; i++) to[target + i] = from[first + i]!;
}

/** The number of words that hold `length` bytes. */
function wordsOf(length: number): number {
  return (length + WIDE - 1) >> 3;
}

/** Places for views. Not `undefined`: V8 treats an array of that as one of numbers, to be converted. */
function noViews(count: number): (Uint8Array<ArrayBuffer> | null)[] {
  return new Array(count).fill(null);
}

/**
 * Private memory for small payloads, and its views: one for each length requested so far. Callers get
 * these views, and may transfer the memory away (`structuredClone`, `postMessage`): then it is replaced
 * before the next payload.
 */
export class SmallPayload {
  /** Empty until they are first needed. */
  #words: BigUint64Array<ArrayBuffer> = new BigUint64Array(0);
  #views: (Uint8Array<ArrayBuffer> | null)[] = noViews(0);
  /** Made in advance for the next copy, in case it has the length of the last one. */
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #lastLength = 0;

  #renew(): void {
    this.#words = new BigUint64Array(SMALL / WIDE);
    this.#views = noViews(SMALL + 1);
  }

  #newView(length: number): Uint8Array<ArrayBuffer> {
    return this.#views[length] = new Uint8Array(this.#words.buffer, 0, length);
  }

  /** The first `length` bytes, with any contents. */
  view(length: number): Uint8Array<ArrayBuffer> {
    if (this.#words.length === 0) this.#renew();
    return this.#views[length] ?? this.#newView(length);
  }

  /** Whether `payload` is the first `length` bytes. */
  has(payload: Uint8Array, length: number): boolean {
    const views = this.#views;
    return length < views.length && views[length] === payload;
  }

  /** Copies `length` bytes from `ring`, starting at its word `from`, and returns them. */
  load(ring: BigUint64Array<ArrayBuffer>, from: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#words.length === 0) this.#renew();
    const words = this.#words;
    const count = wordsOf(length);
    if (count === LINE) copyLine(ring, from, words, 0);
    else copyWords(ring, from, words, 0, count);
    return this.#views[length] ?? this.#newView(length);
  }

  /** As {@linkcode SmallPayload.load}, but returns a copy that the caller may keep. */
  copy(ring: BigUint64Array<ArrayBuffer>, from: number, length: number): Uint8Array<ArrayBuffer> {
    const loaded = this.load(ring, from, length);
    const spare = this.#spare;
    this.#lastLength = length;
    if (spare === undefined || spare.length !== length) return new Uint8Array(loaded);
    this.#spare = undefined;
    spare.set(loaded);
    return spare;
  }

  /**
   * Makes an array in advance. To be called before a sleep: caches are cold after it, and an existing
   * array saves microseconds of the receiver's latency.
   */
  prepare(): void {
    if (this.#spare?.length !== this.#lastLength) this.#spare = new Uint8Array(this.#lastLength);
  }

  /**
   * Copies `length` bytes into `ring`, starting at its word `to`, and the bytes after them up to the end of
   * a word.
   */
  store(ring: BigUint64Array<ArrayBuffer>, to: number, length: number): void {
    const words = this.#words;
    const count = wordsOf(length);
    if (count === LINE) copyLine(words, 0, ring, to);
    else copyWords(words, 0, ring, to, count);
  }
}

/** The number of kept views of a ring. Several offsets share a place; the last one used has it. */
const MOST_KEPT = 4096;

/** The views over one ring. */
export class RingViews {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** One place until the first view is made: many channels never see a larger payload. */
  #kept: (Uint8Array<ArrayBuffer> | null)[] = noViews(1);
  #offsets: Int32Array<ArrayBuffer> = new Int32Array(1);
  #mask = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  #makePlaces(): void {
    // Payloads that are not small cannot begin closer together than this
    const places = Math.max(1, Math.min(MOST_KEPT, this.#bytes.length / SMALL));
    this.#kept = noViews(places);
    this.#offsets = new Int32Array(places);
    this.#mask = places - 1;
  }

  /** The `length` bytes at `offset`, which must be in the ring. */
  at(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const place = (offset / SMALL) & this.#mask;
    const kept = this.#kept[place]!;
    if (kept !== null && kept.length === length && this.#offsets[place] === offset) return kept;
    return this.#newView(offset, length);
  }

  #newView(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#mask === 0) this.#makePlaces();
    const place = (offset / SMALL) & this.#mask;
    const { buffer, byteOffset } = this.#bytes;
    const view = new Uint8Array(buffer, byteOffset + offset, length);
    this.#kept[place] = view;
    this.#offsets[place] = offset;
    return view;
  }
}
