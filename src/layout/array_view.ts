/**
 * Arrays in a live view: a typed array over the memory where possible, otherwise an object that behaves
 * like one. Internal: used by struct views.
 */

import { checkFunction, checkNumber } from "./arguments.ts";
import { readText } from "./c_string.ts";
import { INSPECT, type Inspect, shown } from "./inspect.ts";
import { jsonValue } from "./json.ts";
import type {
  AnyStructLayout,
  ArrayLayout,
  ArrayView,
  FlexibleLayout,
  Layout,
  ScalarName,
} from "./layout.ts";
import { LiveMemory, type Memory } from "./live_memory.ts";
import { gone, mistyped, readOnly } from "./refusal.ts";
import { char, u8 } from "./scalar.ts";
import { bytesOf } from "./source_bytes.ts";
import { assign, assignElements, glimpse, load } from "./value_copy.ts";

/**
 * The most accessors that an array gets when it is first touched: one for an element, or those of the views
 * of its structs. They cost up to a microsecond each. The elements of a longer array are made one by one.
 */
const MOST_ACCESSORS = 4096;

/** The largest length of a JavaScript array. */
const LONGEST = 2 ** 32 - 1;

type NumberArrayConstructor = new (
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
) => ArrayView<number>;

/**
 * A typed array class for memory that peers change at the same time. The engine's `sort` can write out of
 * bounds there, so methods that move elements work on a copy and write it back.
 */
function live(TypedArray: Int32ArrayConstructor): NumberArrayConstructor {
  class Live extends TypedArray {
    constructor(buffer: ArrayBufferLike, offset: number, length: number) {
      super(buffer as ArrayBuffer, offset, length);
      // As other arrays of a view. It cannot be done if the buffer is resizable
      Reflect.preventExtensions(this);
    }

    toJSON(): unknown {
      return jsonValue([...this.slice()]);
    }

    override set(values: ArrayLike<number>, offset?: number): void {
      try {
        super.set(values, offset);
      } catch (error) {
        throw this.buffer.detached ? gone() : error;
      }
    }

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

/** The elements of an array over memory. */
class Elements implements Memory {
  readonly data: DataView;
  readonly layout: ArrayLayout;
  readonly #name: string;
  readonly #readOnly: boolean;
  /** The views of elements that are structs or arrays, made at the first access. */
  readonly #parts: object[] = [];

  constructor(data: DataView, layout: ArrayLayout, name: string, readOnly: boolean) {
    this.data = data;
    this.layout = layout;
    this.#name = name;
    this.#readOnly = readOnly;
  }

  get(index: number): unknown {
    const { element, length } = this.layout;
    if (!(index < length)) return undefined;
    const at = index * element.size;
    switch (element.kind) {
      case "scalar":
      case "bits":
        return element.get(this.data, at);
      case "cString":
        return readText(this.data, at, element.size);
      default:
        checkAlive(this.data);
        return this.#parts[index] ??= partView(
          element,
          this.data,
          at,
          `${this.#name}[${index}]`,
          this.#readOnly,
        );
    }
  }

  at(index: number): unknown {
    const whole = Math.trunc(checkNumber(index, "index")) || 0;
    const place = whole < 0 ? whole + this.layout.length : whole;
    return place < 0 ? undefined : this.get(place);
  }

  set(index: number, value: unknown): void {
    const { element, length } = this.layout;
    if (this.#readOnly) throw readOnly(`${this.#name}[${index}]`);
    if (!(index < length)) {
      throw new RangeError(`"${this.#name}" has ${length} elements, there is no index ${index}`);
    }
    const at = index * element.size;
    if (element.kind === "scalar") element.set(this.data, at, value, this.#name, index);
    else assign(element, bytesOf(this.data, at, element.size), value, `${this.#name}[${index}]`);
  }

  setAll(values: ArrayLike<unknown>, offset: number): void {
    if (this.#readOnly) throw readOnly(this.#name);
    const { element, length } = this.layout;
    assignElements(element, length, this.data, values, offset, this.#name);
  }

  sort(compare?: (a: unknown, b: unknown) => number): void {
    const copy = this.#copy();
    const indexes = copy.#indexes();
    const values = indexes.map((index) => copy.get(index));
    const order = compare ?? (isNumeric(values[0]) ? byValue : byText);
    this.#arrange(copy, indexes.toSorted((a, b) => order(values[a], values[b])));
  }

  reverse(): void {
    this.#arrange(this.#copy(), this.#indexes().reverse());
  }

  copyWithin(target: number, start: number, end?: number): void {
    this.#arrange(this.#copy(), this.#indexes().copyWithin(target, start, end));
  }

  fill(value: unknown, start?: number, end?: number): void {
    const copy = this.#copy();
    const indexes = this.#indexes();
    const filled = indexes.slice(start, end);
    if (filled.length === 0) return;
    // The first of them, in the copy, has the value before the others take it from there
    copy.set(filled[0]!, value);
    this.#arrange(copy, indexes.fill(filled[0]!, start, end), filled[0]);
  }

  /** The error for a method that changes the length. */
  fixedLength(method: string): TypeError {
    return new TypeError(
      `"${this.#name}" always has ${this.layout.length} elements: it has no ${method}()`,
    );
  }

  /** The error for an assignment to `key`, which is no index, or that of an element that is a view. */
  notAssigned(key: string, index: number | undefined): TypeError {
    if (this.#readOnly) return readOnly(`${this.#name}[${key}]`);
    return new TypeError(
      index === undefined
        ? `"${this.#name}" has ${this.layout.length} elements, there is no index ${key}`
        : `"${this.#name}[${key}]" is a view: assign to its fields or elements, or call set()`,
    );
  }

  #indexes(): number[] {
    return Array.from({ length: this.layout.length }, (_, index) => index);
  }

  /** Returns the elements over a private copy of the memory, for methods that write to it. */
  #copy(): Elements {
    if (this.#readOnly) throw readOnly(this.#name);
    const { buffer } = this.#bytes().slice();
    return new Elements(new DataView(buffer), this.layout, this.#name, false);
  }

  #bytes(): Uint8Array {
    return bytesOf(this.data, 0, this.layout.size);
  }

  /**
   * Writes at each index the bytes that `copy` has at `order[index]`, whatever they are. It writes all in
   * one go, and nothing before the first or behind the last element that changes. `changed` is an index
   * that changes though it stays at its place.
   */
  #arrange(copy: Elements, order: readonly number[], changed?: number): void {
    const moved = (from: number, index: number): boolean => from !== index || index === changed;
    const first = order.findIndex(moved);
    if (first === -1) return;
    const end = order.findLastIndex(moved) + 1;
    const { size } = this.layout.element;
    const from = copy.#bytes();
    const bytes = new Uint8Array((end - first) * size);
    for (let i = first; i < end; i++) {
      const at = order[i]! * size;
      bytes.set(from.subarray(at, at + size), (i - first) * size);
    }
    this.#bytes().set(bytes, first * size);
  }
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint";
}

/** The order in which a typed array sorts: -0 before 0, and NaN last. */
function byValue(one: unknown, other: unknown): number {
  const [a, b] = [one as number, other as number];
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** The order in which an array sorts. */
function byText(one: unknown, other: unknown): number {
  const [a, b] = [String(one), String(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkRange(start: unknown, end: unknown): void {
  if (start !== undefined) checkNumber(start, "start");
  if (end !== undefined) checkNumber(end, "end");
}

/** Keeps the elements of an array of a view. */
class ArrayMemory extends LiveMemory {
  readonly #elements: Elements;

  constructor(elements: Elements, list: object) {
    super(elements, list);
    this.#elements = elements;
  }

  static elementsOf(list: object): Elements {
    if (#elements in list) return list.#elements;
    throw mistyped("this", "an array of a view", list);
  }
}

const { elementsOf } = ArrayMemory;

/** Arrays in a view, with the methods of arrays. Their elements are the views of structs and arrays. */
class ViewArray extends Array<unknown> {
  override at(index: number): unknown {
    const whole = Math.trunc(checkNumber(index, "index")) || 0;
    return this[whole < 0 ? whole + this.length : whole];
  }

  set(values: ArrayLike<unknown>, offset = 0): void {
    elementsOf(this).setAll(values, offset);
  }

  override sort(compare?: (a: unknown, b: unknown) => number): this {
    if (compare !== undefined) checkFunction(compare, "compare");
    elementsOf(this).sort(compare);
    return this;
  }

  override reverse(): this {
    elementsOf(this).reverse();
    return this;
  }

  override copyWithin(target: number, start: number, end?: number): this {
    checkNumber(target, "target");
    checkRange(start, end);
    elementsOf(this).copyWithin(target, start, end);
    return this;
  }

  override fill(value: unknown, start?: number, end?: number): this {
    checkRange(start, end);
    elementsOf(this).fill(value, start, end);
    return this;
  }

  toJSON(): unknown {
    const { layout, data } = elementsOf(this);
    return jsonValue(load(layout, bytesOf(data, 0, layout.size)));
  }

  [INSPECT](_depth: number, options: object, inspect: Inspect): string {
    const { layout, data } = elementsOf(this);
    return shown(() => glimpse(layout, data), options, inspect);
  }
}

/** An array whose elements are read at each access. */
class ValueArray extends ViewArray {
  override at(index: number): unknown {
    return elementsOf(this).at(index);
  }

  override *[Symbol.iterator](): ArrayIterator<unknown> {
    const elements = elementsOf(this);
    const { length } = elements.layout;
    for (let i = 0; i < length; i++) yield elements.get(i);
  }
}
// Those of an array would move elements one by one before they come to the one that they cannot add or delete
for (const name of ["push", "pop", "shift", "unshift", "splice"]) {
  Object.defineProperty(ViewArray.prototype, name, {
    value(this: object): never {
      throw elementsOf(this).fixedLength(name);
    },
  });
}
// Their methods return copies as plain arrays
for (const { prototype } of [ViewArray, ValueArray]) {
  Object.defineProperty(prototype, "constructor", { value: Array });
}

/** The accessors of elements by their index, for all arrays. */
const accessors: PropertyDescriptor[] = [];

function accessor(index: number): PropertyDescriptor {
  return accessors[index] ??= {
    get(this: object): unknown {
      return elementsOf(this).get(index);
    },
    set(this: object, value: unknown): void {
      elementsOf(this).set(index, value);
    },
    enumerable: true,
  };
}

const [DIGIT_0, DIGIT_9] = [0x30, 0x39];

/** The handler of a proxy that is an array without accessors, for arrays too long for them. */
class LongArray implements ProxyHandler<ViewArray> {
  readonly #elements: Elements;
  /** The method that needs no look into the proxy, which V8 has no fast way for. */
  readonly #at = (index: number): unknown => this.#elements.at(index);

  constructor(elements: Elements) {
    this.#elements = elements;
  }

  /** The index that `key` is, if there is such an element, and `undefined` for other keys. */
  #index(key: string | symbol): number | undefined {
    if (typeof key === "symbol") return undefined;
    // First of all, methods are told apart: the rest costs ten times as much as a call of `at`
    const code = key.charCodeAt(0);
    if (code < DIGIT_0 || code > DIGIT_9) return undefined;
    const index = Number(key);
    const isIndex = Number.isInteger(index) && index < this.#elements.layout.length;
    return isIndex && String(index) === key ? index : undefined;
  }

  get(list: ViewArray, key: string | symbol): unknown {
    if (key === "at") return this.#at;
    const index = this.#index(key);
    return index === undefined ? list[key as keyof ViewArray] : this.#elements.get(index);
  }

  set(_list: ViewArray, key: string | symbol, value: unknown): boolean {
    const index = this.#index(key);
    if (index === undefined || isObject(this.#elements.layout.element)) {
      throw this.#elements.notAssigned(String(key), index);
    }
    this.#elements.set(index, value);
    return true;
  }

  has(list: ViewArray, key: string | symbol): boolean {
    return this.#index(key) !== undefined || Reflect.has(list, key);
  }

  ownKeys(list: ViewArray): (string | symbol)[] {
    const { length } = this.#elements.layout;
    return [...Array.from({ length }, (_, index) => String(index)), ...Reflect.ownKeys(list)];
  }

  getOwnPropertyDescriptor(
    list: ViewArray,
    key: string | symbol,
  ): PropertyDescriptor | undefined {
    const index = this.#index(key);
    if (index === undefined) return Reflect.getOwnPropertyDescriptor(list, key);
    const value = this.#elements.get(index);
    return { value, writable: true, enumerable: true, configurable: true };
  }

  defineProperty(): boolean {
    return false;
  }

  deleteProperty(): boolean {
    return false;
  }

  preventExtensions(): boolean {
    return false;
  }

  setPrototypeOf(): boolean {
    return false;
  }
}

function isObject(element: Layout): boolean {
  return element.kind === "array" || "fields" in element;
}

function viewArray(data: DataView, layout: ArrayLayout, name: string, readOnly: boolean): object {
  const { element, length } = layout;
  const elements = new Elements(data, layout, name, readOnly);
  const cost = "fields" in element ? Object.keys(element.fields).length : 1;
  if (length * cost > MOST_ACCESSORS) {
    if (length > LONGEST) {
      throw new RangeError(
        `"${name}" has ${length} elements, more than the ${LONGEST} of an array: take a copy with read()`,
      );
    }
    const list = new ValueArray();
    list.length = length;
    Object.defineProperty(list, "length", { writable: false });
    const proxy = new Proxy(list, new LongArray(elements));
    new ArrayMemory(elements, list);
    new ArrayMemory(elements, proxy);
    return proxy;
  }
  const list = isObject(element) ? new ViewArray() : new ValueArray();
  new ArrayMemory(elements, list);
  for (let i = 0; i < length; i++) {
    if (isObject(element)) list[i] = elements.get(i);
    else Object.defineProperty(list, i, accessor(i));
  }
  // Otherwise writing another index or name would add a property that is not the memory.
  return Object.freeze(list);
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
  return viewArray(new DataView(data.buffer, offset, size), layout, name, readOnly);
}
