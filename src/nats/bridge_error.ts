/** The error of a bridge: what NATS or the network refused. Shared memory fails with `ShmError`. */

import { checkText } from "../layout/arguments.ts";

/**
 * The codes of a {@linkcode BridgeError}.
 *
 * - `ENOCLIENT`: the client of NATS cannot be loaded
 * - `ECONNECT`: there is no connection to the server, or it was closed for good
 * - `ESTREAM`: the stream or the durable consumer is missing, or of no use for a bridge
 * - `EMSGSIZE`: a message is too large for the other side
 * - `EREFUSED`: the server refuses a message, or the permission for it
 */
export type BridgeErrorCode = "ENOCLIENT" | "ECONNECT" | "ESTREAM" | "EMSGSIZE" | "EREFUSED";

/**
 * The reason why a bridge ended. What it had not passed on stays where it was.
 *
 * @example
 * ```ts
 * import { BridgeError } from "@sysv/shm/nats";
 * import assert from "node:assert/strict";
 *
 * const error = new BridgeError("ESTREAM", "find stream S", "stream not found");
 * assert.equal(error.code, "ESTREAM");
 * assert.equal(error.message, "cannot find stream S: ESTREAM, stream not found");
 * ```
 */
export class BridgeError extends Error {
  /** The class name, as printed. */
  override readonly name = "BridgeError";
  /** What kind of failure it is. */
  readonly code: BridgeErrorCode;

  /** Makes the error for an `action` ("find the stream") that failed for a `reason`. */
  constructor(code: BridgeErrorCode, action: string, reason: string, cause?: unknown) {
    const [what, kind, why] = [
      checkText(action, "action"),
      checkText(code, "code"),
      checkText(reason, "reason"),
    ];
    super(`cannot ${what}: ${kind}, ${why}`, cause === undefined ? undefined : { cause });
    this.code = code;
    for (const fact of ["name", "code"]) {
      Object.defineProperty(this, fact, { writable: false, configurable: false });
    }
  }
}

/** The first line of an error's message, without a final period. Internal. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof Error && cause.name === "TimeoutError") return "the server does not answer";
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split("\n")[0]!.replace(/\.$/, "");
}
