/**
 * Arrays in a live view: a typed array over the memory where possible, otherwise an object that behaves
 * like one. Internal: used by struct views.
 */

import { checkNumber } from "./arguments.ts";
import { readText } from "./c_string.ts";
import { glimpse, load, store, storeElements } from "./codec.ts";
import { INSPECT, type Inspect, shown } from "./inspect.ts";
import type {
  AnyStructLayout,
  ArrayLayout,
  ArrayView,
  FlexibleLayout,
  ScalarName,
} from "./layout.ts";
import { gone, readOnly } from "./refusal.ts";
import { char, u8 } from "./scalar.ts";

/**
 * The longest array that gets index accessors. They are made once per process and cost about a
 * microsecond each, so this limits the cost of the first access to a long array.
 */
const LONGEST = 65536;

type NumberArrayConstructor = new (
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
) => ArrayView<number> | ArrayView<bigint>;

/**
 * A typed array class for memory that peers change at the same time. The engine's `sort` can write out of
 * bounds there, so methods that move elements work on a copy and write it back.
 */
function live(TypedArray: Int32ArrayConstructor): NumberArrayConstructor {
  class Live extends TypedArray {
    override sort(compare?: (a: number, b: number) => number): this {
      this.set(this.slice().sort(compare));
      return this;
    }

    override reverse(): this {
      this.set(this.slice().reverse());
      return this;
    }

    override copyWithin(target: number, start: number, end?: number): this {
      this.set(this.slice().copyWithin(target, start, end));
      return this;
    }

    override subarray(begin?: number, end?: number): Live {
      const { buffer, byteOffset, length } = super.subarray(begin, end);
      return new Live(buffer, byteOffset, length);
    }
  }
  // Its methods return copies as plain typed arrays, and it prints as a plain one
  Object.defineProperty(Live.prototype, "constructor", { value: TypedArray });
  return Live;
}

const TYPED_ARRAYS: { readonly [name in ScalarName]?: NumberArrayConstructor } = Object.fromEntries(
  Object.entries({
    i8: Int8Array,
    u8: Uint8Array,
    i16: Int16Array,
    u16: Uint16Array,
    i32: Int32Array,
    u32: Uint32Array,
    i64: BigInt64Array,
    u64: BigUint64Array,
    f32: Float32Array,
    f64: Float64Array,
    // The constructors differ only in the element types that TypeScript knows, which this does not use
  }).map(([name, TypedArray]) => [name, live(TypedArray as unknown as Int32ArrayConstructor)]),
);

/** An array of elements of any kind over memory. */
class Elements implements ArrayView<unknown> {
  /** The number of index accessors on the prototype. */
  static #indexes = 0;

  readonly #data: DataView;
  readonly #layout: ArrayLayout;
  readonly #name: string;
  readonly #readOnly: boolean;
  /** The views of elements that are structs or arrays, made at the first access. */
  readonly #parts: object[] = [];

  [index: number]: unknown;

  constructor(data: DataView, layout: ArrayLayout, name: string, readOnly: boolean) {
    this.#data = data;
    this.#layout = layout;
    this.#name = name;
    this.#readOnly = readOnly;
    // One accessor more than elements, so that the most likely wrong index gets an error with both numbers.
    Elements.#makeIndexes(layout.length + 1);
    // Otherwise writing an index without an accessor would add a property that is not the memory.
    Object.preventExtensions(this);
  }

  static #makeIndexes(length: number): void {
    for (; Elements.#indexes < length; Elements.#indexes++) {
      const index = Elements.#indexes;
      Object.defineProperty(Elements.prototype, index, {
        get(this: Elements): unknown {
          return this.#get(index);
        },
        set(this: Elements, value: unknown): void {
          this.#set(index, value);
        },
      });
    }
  }

  #get(index: number): unknown {
    const { element, length } = this.#layout;
    if (index >= length) return undefined;
    const at = index * element.size;
    switch (element.kind) {
      case "scalar":
      case "bits":
        return element.get(this.#data, at);
      case "cString":
        return readText(this.#data, at, element.size);
      default:
        checkAlive(this.#data);
        return this.#parts[index] ??= partView(
          element,
          this.#data,
          at,
          `${this.#name}[${index}]`,
          this.#readOnly,
        );
    }
  }

  #set(index: number, value: unknown): void {
    const { element, length } = this.#layout;
    if (this.#readOnly) throw readOnly(`${this.#name}[${index}]`);
    if (index >= length) {
      throw new RangeError(`"${this.#name}" has ${length} elements, there is no index ${index}`);
    }
    const at = index * element.size;
    if (element.kind === "scalar") element.set(this.#data, at, value, this.#name, index);
    else store(element, this.#data, at, value, `${this.#name}[${index}]`);
  }

  get length(): number {
    return this.#layout.length;
  }

  at(index: number): unknown {
    const whole = Math.trunc(checkNumber(index, "index")) || 0;
    const place = whole < 0 ? whole + this.length : whole;
    return place < 0 ? undefined : this.#get(place);
  }

  set(values: ArrayLike<unknown>, offset = 0): void {
    if (this.#readOnly) throw readOnly(this.#name);
    const { element, length } = this.#layout;
    storeElements(element, length, this.#data, values, offset, this.#name);
  }

  *[Symbol.iterator](): IterableIterator<unknown> {
    for (let i = 0; i < this.length; i++) yield this.#get(i);
  }

  toJSON(): unknown {
    return load(this.#layout, this.#data, 0);
  }

  [INSPECT](_depth: number, options: object, inspect: Inspect): string {
    return shown(() => glimpse(this.#layout, this.#data), options, inspect);
  }
}

/** Throws the `TypeError` of {@linkcode gone} if the memory under `data` is gone. */
export function checkAlive(data: DataView): void {
  try {
    data.byteLength; // throws if the buffer is detached, and costs nothing
  } catch {
    throw gone();
  }
}

/** Returns the array of the elements that `bytes` hold. One of `char` becomes bytes. */
function arrayUpTo({ element }: FlexibleLayout, bytes: number): ArrayLayout {
  const type = element === char ? u8 : element;
  const length = type.size === 0 ? 0 : Math.floor(bytes / type.size);
  const { size, alignment } = type;
  return { kind: "array", element: type, length, size: length * size, alignment };
}

/** Returns the live view of the array or struct at `at`. The memory must still exist. */
export function partView(
  declared: ArrayLayout | AnyStructLayout | FlexibleLayout,
  data: DataView,
  at: number,
  name: string,
  readOnly: boolean,
): object {
  const offset = data.byteOffset + at;
  const layout = declared.kind === "flexible"
    ? arrayUpTo(declared, data.buffer.byteLength - offset)
    : declared;
  if (layout.kind !== "array") return layout.view(data.buffer, offset, { readOnly });
  const { element, length, size } = layout;
  const TypedArray = element.kind === "scalar" ? TYPED_ARRAYS[element.name] : undefined;
  // A typed array cannot be read-only, and it cannot start at an unaligned address.
  if (TypedArray !== undefined && !readOnly && offset % element.size === 0) {
    return new TypedArray(data.buffer, offset, length);
  }
  if (length > LONGEST) {
    const or = TypedArray === undefined ? "" : ", or a writable view at an aligned offset";
    throw new RangeError(
      `"${name}" has ${length} elements, more than the ${LONGEST} this view can index: take a copy with read()${or}`,
    );
  }
  return new Elements(new DataView(data.buffer, offset, size), layout, name, readOnly);
}
