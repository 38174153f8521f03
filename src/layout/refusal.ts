/**
 * Errors that several files throw, so that the same mistake gives the same message everywhere. Internal.
 */

const LONGEST = 40;

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

/** Describes a value in a few words, without running code of the value. */
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

/** The error for a value of the wrong type. `takes` describes the expected type, such as "a boolean". */
export function mistyped(name: string, takes: string, got: unknown): TypeError {
  return new TypeError(`"${name}" takes ${takes}, got ${describe(got)}`);
}

/** The error for a value of the right type that is out of range. */
export function outOfRange(name: string, takes: string, got: unknown): RangeError {
  return new RangeError(`"${name}" takes ${takes}, got ${describe(got)}`);
}

/** The error for a write through a read-only view. */
export function readOnly(name: string): TypeError {
  return new TypeError(`"${name}" is read-only: it belongs to a read-only view`);
}

/** The error for a getter or setter of one view that is called on something else. */
export function foreign(name: string): TypeError {
  return new TypeError(
    `"${name}" is of a view of another struct, or read-only where this one is not`,
  );
}

/**
 * The error for memory that is gone. A `DataView` throws when its buffer was detached, or ends before it.
 * Offsets and values are checked before, so there is no other reason for it to throw here.
 */
export function gone(): TypeError {
  return new TypeError(
    "the memory under this view is gone: its segment was detached (attach again), or its buffer was " +
      "transferred or made smaller; take a new view",
  );
}
