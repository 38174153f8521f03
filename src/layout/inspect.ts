/**
 * How `console.log` prints a view. Internal: used by the two view classes.
 */

/** The method that `console.log` of Deno and Node calls if an object has it. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;

/** The function that this method receives to format a value. */
export type Inspect = (value: unknown, options: object) => string;

/** Formats a value with `inspect`. Printing a view whose memory is gone must not throw. */
export function shown(load: () => unknown, options: object, inspect: Inspect): string {
  let value: unknown;
  try {
    value = load();
  } catch {
    return "[view of memory that is gone]";
  }
  return inspect(value, options);
}
