/**
 * What `console.log` shows of a view. Called by the two view classes.
 */

/** The method Deno's and Node's `console.log` call, if an object has it. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;

/** What that method is given to show a value with. */
export type Inspect = (value: unknown, options: object) => string;

/** The values as `inspect` shows them. Looking at a view whose memory is gone must not throw. */
export function shown(load: () => unknown, options: object, inspect: Inspect): string {
  let value: unknown;
  try {
    value = load();
  } catch {
    return "[view of memory that is gone]";
  }
  return inspect(value, options);
}
