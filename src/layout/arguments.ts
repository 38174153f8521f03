/**
 * What callers give us, looked at before anything is done: each check returns what it was given or
 * throws an error that names the argument and says what is expected. For every room.
 *
 * A getter of the caller's may do anything, so what it belongs to is read once, and the state of our own
 * object is looked at after that.
 */

import { mistyped, outOfRange } from "./refusal.ts";

/** Returns `value` if it is what the argument `name` takes, and throws otherwise. */
export type Check<T> = (value: unknown, name: string) => T;

type Checks = Readonly<Record<string, Check<unknown>>>;

/** What a reader of options gives, without what was not given or given as `undefined`. */
export type Read<C extends Checks, Required extends keyof C = never> =
  & { readonly [Name in Required]: ReturnType<C[Name]> }
  & { readonly [Name in Exclude<keyof C, Required>]?: ReturnType<C[Name]> };

/** What a call without options reads. */
const NONE: object = Object.freeze({});

/**
 * Makes what reads an object of options: each of them once, none but those in `checks`, and all that are
 * `required`. It throws a `TypeError` for what is no such object and what the checks throw, by the name
 * `named` where it is called without another one.
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
    // Not Object.keys: this costs little, and some calls take a microsecond in all
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
    // An AbortSignal or a Deadline in the options' place would be ignored
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

/** `true` or `false`. */
export function checkFlag(value: unknown, name: string): boolean {
  if (typeof value === "boolean") return value;
  throw mistyped(name, "true or false", value);
}

/** Text. */
export function checkText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw mistyped(name, "a string", value);
}

/** Any number, for a check of its range that follows. */
export function checkNumber(value: unknown, name: string): number {
  if (typeof value === "number") return value;
  throw mistyped(name, "a number", value);
}

/** An integer from `least` to `most`. */
export function checkInteger(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most && Number.isInteger(value)) {
    return value;
  }
  const refuse = typeof value === "number" ? outOfRange : mistyped;
  throw refuse(name, `an integer from ${least} to ${most}`, value);
}

/** Milliseconds: 0 or more, `Infinity` too. */
export function checkTimeout(value: unknown, name: string): number {
  if (typeof value === "number" && value >= 0) return value;
  const refuse = typeof value === "number" ? outOfRange : mistyped;
  throw refuse(name, "0 or more milliseconds", value);
}

/** An `AbortSignal`. */
export function checkSignal(value: unknown, name: string): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw mistyped(name, "an AbortSignal", value);
}

/** Something that can be called. */
export function checkFunction<F>(value: unknown, name: string): F {
  if (typeof value === "function") return value as F;
  throw mistyped(name, "a function", value);
}

/** One of these strings. */
export function oneOf<Choice extends string>(...choices: readonly Choice[]): Check<Choice> {
  return (value, name) => {
    if ((choices as readonly unknown[]).includes(value)) return value as Choice;
    throw mistyped(name, choices.map((choice) => `"${choice}"`).join(" or "), value);
  };
}

/** A copy of an array, or of a typed one, each element of which passes `check`. */
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

/** The engine's own `length` of arrays: one that a caller defined may say anything. */
const { get: ownLength } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "length",
)!;

/**
 * How many bytes `bytes` really has; 0 where its memory was transferred away.
 *
 * @throws {TypeError} it is no typed array, but inherits from one or stands in for it
 */
export function lengthOf(bytes: Uint8Array): number {
  return ownLength!.call(bytes);
}

/**
 * The bytes of a `Uint8Array`, or of another view or buffer, in place; never its elements turned to bytes.
 *
 * @throws {TypeError} it is something else, or its memory was transferred away
 */
export function checkBytes(value: unknown, name: string, index?: number): Uint8Array {
  try {
    // `length` first, whatever it says: optimized code knows then what it has, and the rest costs nothing
    const bytes = value as Uint8Array;
    if (bytes.length > 0 && bytes instanceof Uint8Array && lengthOf(bytes) > 0) return bytes;
  } catch {
    // What has no elements, or only inherits from Uint8Array, or stands in for one
  }
  // The name of an element is made only where it is needed
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

/** Whether it is a buffer, and no object that only inherits from one or stands in for it. */
function isBuffer(value: unknown): value is ArrayBuffer | SharedArrayBuffer {
  if (!(value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)) return false;
  try {
    return value.byteLength >= 0;
  } catch {
    return false;
  }
}
