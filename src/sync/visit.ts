/**
 * What a function returns that is called with memory which is valid during the call only. Internal: used by
 * the protocols that drain.
 */

/** Anything but a promise. */
export type VisitResult =
  | void
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | (object & { readonly then?: never });

/**
 * Throws if a function of the caller, called `name`, returned a promise, even one of another realm or
 * library. `instead` says what else to do.
 */
export function refusePromise(
  returned: unknown,
  name = "visit",
  instead = "copy it, or use receive() or for await",
): void {
  if (returned === null || (typeof returned !== "object" && typeof returned !== "function")) return;
  if (typeof (returned as { readonly then?: unknown }).then !== "function") return;
  throw new TypeError(
    `${name} returned a promise, and what it was given is valid during the call only: ${instead}`,
  );
}
