/**
 * What a value is to the programs: its bytes, or a struct. Internal: used by readers and writers. Each has a
 * decoder or encoder of its own, because these have memory.
 */

import { checkBytes, lengthOf } from "../layout/arguments.ts";
import { decodeOwn, encodeOwn, type OwnMemory } from "../layout/value_copy.ts";
import type {
  Fields,
  ReadonlyStructView,
  StructInput,
  StructLayout,
  StructValue,
  StructView,
} from "../layout/layout.ts";
import { gone } from "../layout/refusal.ts";
import { copyWords, SMALL } from "../sync/payload_views.ts";
import type { CellReader } from "./cell_reader.ts";

const WIDE = BigUint64Array.BYTES_PER_ELEMENT;

/** The bytes of a value, to be published. */
export type Encoded = Uint8Array<ArrayBufferLike>;

/** Makes the bytes of values. */
export interface ValueEncoder<In, Edited> {
  /** The length of what `encode` or `edited` returned last. */
  readonly length: number;
  /** The same as words; `undefined` if it is not made of them, or long. */
  readonly words: BigUint64Array<ArrayBuffer> | undefined;
  /** Returns the bytes of `value`. They may be its own, or overwritten by the next call. */
  encode(value: In): Encoded;
  /** Remembers that the bytes last returned are those of the newest value. */
  wrote(version: number): void;
  /** Returns a copy of the newest value, `version`, to be changed: of zeros if there is none yet. */
  edit(cells: CellReader, version: number): Edited;
  /**
   * The bytes of that copy.
   *
   * @throws {TypeError} their memory was transferred away
   */
  edited(): Encoded;
}

/** Makes values of bytes in cells. */
export interface ValueDecoder<Out, Shown> {
  /** Returns a copy of the newest value; `undefined` if there is none yet. */
  read(cells: CellReader): Out | undefined;
  /** Calls `visit` with the newest value, and returns its result; `undefined` if there is none yet. */
  show<Result>(
    cells: CellReader,
    visit: (value: Shown, version: number) => Result,
  ): Result | undefined;
}

/** One kind of values. */
export interface ValueKind<In, Out, Edited, Shown> {
  encoder(): ValueEncoder<In, Edited>;
  decoder(): ValueDecoder<Out, Shown>;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Values of bytes. */
export const BYTES: ValueKind<ArrayBufferView | ArrayBufferLike, Bytes, Bytes, Bytes> = {
  encoder: () => new BytesEncoder(),
  decoder: () => new BytesDecoder(),
};

class BytesEncoder implements ValueEncoder<ArrayBufferView | ArrayBufferLike, Bytes> {
  length = 0;
  words: BigUint64Array<ArrayBuffer> | undefined;
  /** The last value if it is small, and its words if it was written twice and is made of them. */
  #last: Encoded | undefined;
  #lastWords: BigUint64Array<ArrayBuffer> = NO_WORDS;
  #edited: Bytes = new Uint8Array(0);

  encode(value: ArrayBufferView | ArrayBufferLike): Encoded {
    // Many programs write the same small array each time. Its words are copied in a third of the time, and
    // there are none if its memory was transferred away or made smaller
    const words = this.#lastWords;
    if (value === this.#last && words.length > 0) {
      this.length = words.length * WIDE;
      this.words = words;
      return this.#last;
    }
    const bytes = checkBytes(value, "value");
    this.#lastWords = value === this.#last ? wordsIn(bytes) : NO_WORDS;
    this.words = undefined;
    // Comes last: a property that the caller has defined on the array runs code of the caller
    const length = this.length = lengthOf(bytes);
    this.#last = bytes === value && length <= SMALL ? bytes : undefined;
    return bytes;
  }

  wrote(): void {}

  edit(cells: CellReader): Bytes {
    const length = cells.load();
    const isFirst = cells.number === 0;
    const size = isFirst ? cells.memory.shape.size : length;
    if (this.#edited.length !== size) this.#edited = new Uint8Array(size);
    this.length = size;
    if (isFirst) this.#edited.fill(0);
    else this.#edited.set(cells.own.subarray(0, length));
    return this.#edited;
  }

  edited(): Encoded {
    if (this.#edited.length !== this.length) throw gone();
    this.words = undefined;
    return this.#edited;
  }
}

const NO_WORDS = new BigUint64Array(0);

/** The words of 8 bytes that `bytes` consist of, if they do. Of memory whose size changes there are none. */
function wordsIn({ buffer, byteOffset, length }: Encoded): BigUint64Array<ArrayBuffer> {
  const isMadeOfWords = buffer instanceof ArrayBuffer && !buffer.resizable &&
    (byteOffset | length) % WIDE === 0;
  return isMadeOfWords ? new BigUint64Array(buffer, byteOffset, length / WIDE) : NO_WORDS;
}

class BytesDecoder implements ValueDecoder<Bytes, Bytes> {
  /** A view of the reader's memory `#own`, kept for values of the same length. */
  #shown: Bytes = new Uint8Array(0);
  #own: Bytes = this.#shown;

  read(cells: CellReader): Bytes | undefined {
    return cells.copy();
  }

  show<Result>(
    cells: CellReader,
    visit: (value: Bytes, version: number) => Result,
  ): Result | undefined {
    const length = cells.load();
    if (cells.number === 0) return undefined;
    const { own } = cells;
    if (this.#own !== own || this.#shown.length !== length) {
      this.#own = own;
      this.#shown = own.subarray(0, length);
    }
    return visit(this.#shown, cells.number);
  }
}

/** Values of structs with this layout. */
export function structs<F extends Fields>(
  layout: StructLayout<F>,
): ValueKind<StructInput<F>, StructValue<F>, StructView<F>, ReadonlyStructView<F>> {
  return {
    encoder: () => new StructEncoder(layout),
    decoder: () => new StructDecoder(layout),
  };
}

class StructEncoder<F extends Fields> implements ValueEncoder<StructInput<F>, StructView<F>> {
  readonly length: number;
  readonly words: BigUint64Array<ArrayBuffer> | undefined;
  readonly #layout: StructLayout<F>;
  readonly #bytes: Bytes;
  readonly #target: OwnMemory;
  /** The version of the value in `words`; 0 if it is none. */
  #holds = 0;
  /** What a caller edits is other memory: it can keep it, and transfer it away. */
  #edited: BigUint64Array<ArrayBuffer> = new BigUint64Array(0);
  #view: StructView<F> | undefined;

  constructor(layout: StructLayout<F>) {
    const size = this.length = layout.size;
    const words = new BigUint64Array(wordsOf(size));
    this.words = size <= SMALL ? words : undefined;
    this.#layout = layout;
    this.#bytes = new Uint8Array(words.buffer, 0, size);
    this.#target = { bytes: this.#bytes, data: new DataView(words.buffer) };
  }

  encode(value: StructInput<F>): Encoded {
    this.#holds = 0;
    encodeOwn(this.#layout, this.#target, value);
    return this.#bytes;
  }

  wrote(version: number): void {
    this.#holds = version;
  }

  edit(cells: CellReader, version: number): StructView<F> {
    const { size } = this.#layout;
    if (this.#edited.length === 0 || this.#view === undefined) {
      this.#edited = new BigUint64Array(wordsOf(size));
      this.#view = this.#layout.view(this.#edited.buffer);
    }
    // The bytes of the last value of this writer are here already
    if (this.words !== undefined && version !== 0 && this.#holds === version) {
      copyWords(this.words, 0, this.#edited, 0, this.#edited.length);
      return this.#view;
    }
    cells.load();
    if (cells.number === 0) this.#edited.fill(0n);
    else new Uint8Array(this.#edited.buffer).set(cells.own);
    return this.#view;
  }

  edited(): Encoded {
    const { words } = this;
    if (this.#edited.length === 0) throw gone();
    if (words === undefined) return new Uint8Array(this.#edited.buffer, 0, this.#layout.size);
    this.#holds = 0;
    copyWords(this.#edited, 0, words, 0, words.length);
    return this.#bytes;
  }
}

/** The number of words of 8 bytes that hold `size` bytes. */
function wordsOf(size: number): number {
  return Math.ceil(size / WIDE);
}

/** How often a value is shown in place before it is copied. */
const IN_PLACE = 3;

class StructDecoder<F extends Fields>
  implements ValueDecoder<StructValue<F>, ReadonlyStructView<F>> {
  readonly #layout: StructLayout<F>;
  /** The reader's memory. No caller can transfer it away: a read-only view does not give it. */
  #data: DataView | undefined;
  #view: ReadonlyStructView<F> | undefined;
  /** Views of the cells, made at their first use. */
  #inPlace: ReadonlyStructView<F>[] | undefined;

  constructor(layout: StructLayout<F>) {
    this.#layout = layout;
  }

  read(cells: CellReader): StructValue<F> | undefined {
    cells.load();
    if (cells.number === 0) return undefined;
    const data = this.#data ??= new DataView(cells.own.buffer);
    return decodeOwn(this.#layout, data) as StructValue<F>;
  }

  show<Result>(
    cells: CellReader,
    visit: (value: ReadonlyStructView<F>, version: number) => Result,
  ): Result | undefined {
    // A small value is copied faster than it is shown twice
    for (let time = this.#layout.size > SMALL ? 0 : IN_PLACE; time < IN_PLACE; time++) {
      const usable = cells.begin() > 0 && cells.number !== 0;
      const shown = usable ? attempt(visit, this.#at(cells), cells.number) : undefined;
      if (cells.isGone) throw cells.gone();
      if (cells.isWhole()) return shown?.();
    }
    cells.load();
    if (cells.number === 0) return undefined;
    this.#view ??= this.#layout.view(cells.own.buffer, 0, { readOnly: true });
    return visit(this.#view, cells.number);
  }

  #at(cells: CellReader): ReadonlyStructView<F> {
    const views = this.#inPlace ??= [];
    const { bytes: { buffer } } = cells.memory;
    return views[cells.index] ??= this.#layout.view(buffer, cells.offset, { readOnly: true });
  }
}

/** Calls `visit`, and returns what gives its result or throws what it threw: both may have to be dropped. */
function attempt<Shown, Result>(
  visit: (value: Shown, version: number) => Result,
  value: Shown,
  version: number,
): () => Result {
  try {
    const result = visit(value, version);
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
