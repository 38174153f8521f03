/**
 * Checks of arguments, made before any other action. Each check returns its value, or throws an error
 * that names the argument and the expected type. Internal: used by every folder.
 *
 * A getter of the caller may run any code. Therefore its object is read only once, and the state of this
 * library's own object is read after that.
 */

import { mistyped, outOfRange } from "./refusal.ts";

/** Returns `value` if the argument `name` accepts it, and throws otherwise. */
export type Check<T> = (value: unknown, name: string) => T;

type Checks = Readonly<Record<string, Check<unknown>>>;

/** The result of an options reader, without the options that are missing or `undefined`. */
export type Read<C extends Checks, Required extends keyof C = never> =
  & { readonly [Name in Required]: ReturnType<C[Name]> }
  & { readonly [Name in Exclude<keyof C, Required>]?: ReturnType<C[Name]> };

/** The result for a call without options. */
const NONE: object = Object.freeze({});

/**
 * Makes a reader of options objects. The reader reads each option once, refuses options that are not in
 * `checks`, and demands all `required` options. It throws a `TypeError` if the value is not such an
 * object, and the errors of the checks. `named` is the default name in errors.
 */
export function optionsReader<C extends Checks, Required extends keyof C & string = never>(
  checks: C,
  required: readonly Required[] = [],
  named = "options",
): (options: unknown, name?: string) => Read<C, Required> {
  const known = Object.keys(checks);
  const places = known.map((option) => ({
    option,
    label: `${named}.${option}`,
    check: checks[option]!,
    isRequired: (required as readonly string[]).includes(option),
  }));
  return (options, name = named) => {
    if (options === undefined && required.length === 0) return NONE as Read<C, Required>;
    if (!isRecord(options)) throw noOptions(name, known, options);
    // `for in` costs less than Object.keys, and some calls take only a microsecond
    for (const option in options) {
      if (!known.includes(option) && Object.hasOwn(options, option)) {
        throw new TypeError(`"${name}" takes ${known.join(", ")}, got "${option}"`);
      }
    }
    const read: Record<string, unknown> = {};
    let given = false;
    for (const { option, label, check, isRequired } of places) {
      const value = options[option];
      if (value === undefined && !isRequired) continue;
      read[option] = check(value, name === named ? label : `${name}.${option}`);
      given = true;
    }
    // Otherwise an AbortSignal passed as the options would be ignored
    if (!given && !isPlain(options)) throw noOptions(name, known, options);
    return read as Read<C, Required>;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function noOptions(name: string, known: readonly string[], got: unknown): TypeError {
  return mistyped(name, `a plain object with ${known.join(", ")}`, got);
}

/** Accepts `true` or `false`. */
export function checkFlag(value: unknown, name: string): boolean {
  if (typeof value === "boolean") return value;
  throw mistyped(name, "true or false", value);
}

/** Accepts a string. */
export function checkText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw mistyped(name, "a string", value);
}

/** Accepts any number. The caller checks its range. */
export function checkNumber(value: unknown, name: string): number {
  if (typeof value === "number") return value;
  throw mistyped(name, "a number", value);
}

/** Accepts an integer from `least` to `most`. */
export function checkInteger(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most && Number.isInteger(value)) {
    return value;
  }
  const refuse = typeof value === "number" ? outOfRange : mistyped;
  throw refuse(name, `an integer from ${least} to ${most}`, value);
}

/** Accepts milliseconds: 0 or more, including `Infinity`. */
export function checkTimeout(value: unknown, name: string): number {
  if (typeof value === "number" && value >= 0) return value;
  const refuse = typeof value === "number" ? outOfRange : mistyped;
  throw refuse(name, "0 or more milliseconds", value);
}

/** Accepts an `AbortSignal`. */
export function checkSignal(value: unknown, name: string): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw mistyped(name, "an AbortSignal", value);
}

/** Accepts a function. */
export function checkFunction<F>(value: unknown, name: string): F {
  if (typeof value === "function") return value as F;
  throw mistyped(name, "a function", value);
}

/** Returns a check that accepts one of these strings. */
export function oneOf<Choice extends string>(...choices: readonly Choice[]): Check<Choice> {
  return (value, name) => {
    if ((choices as readonly unknown[]).includes(value)) return value as Choice;
    throw mistyped(name, choices.map((choice) => `"${choice}"`).join(" or "), value);
  };
}

/** Returns a copy of an array or typed array. Each element must pass `check`. */
export function checkElements<T>(
  value: unknown,
  name: string,
  takes: string,
  check: Check<T>,
): T[] {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    throw mistyped(name, takes, value);
  }
  const elements = value as ArrayLike<unknown>;
  const copy: T[] = [];
  const { length } = elements;
  for (let i = 0; i < length; i++) copy.push(check(elements[i], `${name}[${i}]`));
  return copy;
}

/** The engine's own getter of `length`. A `length` that a caller defined may return anything. */
const { get: ownLength } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "length",
)!;

/**
 * Returns the real length of `bytes`; 0 if its memory was transferred.
 *
 * @throws {TypeError} it is not a typed array, but only inherits from one or looks like one
 */
export function lengthOf(bytes: Uint8Array): number {
  return ownLength!.call(bytes);
}

/**
 * Returns the bytes of a `Uint8Array`, or of another view or buffer, in place. It converts no elements.
 *
 * @throws {TypeError} it is something else, or its memory was transferred
 */
export function checkBytes(value: unknown, name: string, index?: number): Uint8Array {
  try {
    // Reads `length` first, without trusting it: then optimized code knows the type, and the rest is free
    const bytes = value as Uint8Array;
    if (bytes.length > 0 && bytes instanceof Uint8Array && lengthOf(bytes) > 0) return bytes;
  } catch {
    // It has no elements, or it only inherits from Uint8Array or looks like one
  }
  // The name of an element is made only when it is needed
  return asBytes(value, index === undefined ? name : `${name}[${index}]`);
}

function asBytes(value: unknown, name: string): Uint8Array {
  const view = ArrayBuffer.isView(value);
  const buffer = view ? value.buffer : value;
  if (!isBuffer(buffer)) {
    const advice = typeof value === "string" ? " (new TextEncoder().encode(text) makes one)" : "";
    throw mistyped(name, `a Uint8Array or another BufferSource${advice}`, value);
  }
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError(`"${name}" takes memory that is there, got some that was transferred away`);
  }
  return view ? new Uint8Array(buffer, value.byteOffset, value.byteLength) : new Uint8Array(buffer);
}

/** Whether `value` is a real buffer, and not an object that only inherits from one or looks like one. */
function isBuffer(value: unknown): value is ArrayBuffer | SharedArrayBuffer {
  if (!(value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)) return false;
  try {
    return value.byteLength >= 0;
  } catch {
    return false;
  }
}
