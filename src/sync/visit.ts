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

/** Throws if a visitor returned a promise, even one of another realm or library. */
export function refusePromise(returned: unknown): void {
  if (returned === null || (typeof returned !== "object" && typeof returned !== "function")) return;
  if (typeof (returned as { readonly then?: unknown }).then !== "function") return;
  throw new TypeError(
    "visit returned a promise, and what it was given is valid during the call only: copy it, or " +
      "use receive() or for await",
  );
}
