/**
 * The errors of this room that more than one file throws, so that the same mistake reads the same
 * everywhere. Called inside `src/layout/` only.
 */

const LONGEST = 40;

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

/** A value in a few words, without running any code of its own. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(shorten(value));
    case "bigint":
      return `${shorten(String(value))}n`;
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    default:
      return String(value);
  }
}

/** For a value of the wrong type. `takes` says what is wanted, such as "a boolean". */
export function mistyped(name: string, takes: string, got: unknown): TypeError {
  return new TypeError(`"${name}" takes ${takes}, got ${describe(got)}`);
}

/** For a value of the right type that does not fit. */
export function outOfRange(name: string, takes: string, got: unknown): RangeError {
  return new RangeError(`"${name}" takes ${takes}, got ${describe(got)}`);
}

/** For a write through a read-only view. */
export function readOnly(name: string): TypeError {
  return new TypeError(`"${name}" is read-only: it belongs to a read-only view`);
}

/**
 * For memory that is no longer there. A `DataView` throws when its buffer was detached, and since
 * offsets and values are checked before, that is the only reason it ever has to throw here.
 */
export function gone(): TypeError {
  return new TypeError(
    "the memory under this view is gone: its segment was detached; attach again and take a new view",
  );
}
