/**
 * The one error of the library: a call that failed, or a use the library refuses, said in one line
 * that names the action, the call, the reason, the object and what to do about it.
 */

import { IPC } from "./constants.ts";
import { type ErrnoName, errnoName, errnoText } from "./errno.ts";

/**
 * The C functions that a failure can come from. `dlopen` is how they are reached.
 *
 * @example
 * ```ts
 * import { type LibcCall, Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const attaching: LibcCall = "shmat";
 * try {
 *   Segment.attach(0x7ffffff0);
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.call, attaching);
 * }
 * ```
 */
export type LibcCall =
  | "dlopen"
  | "shmget"
  | "shmat"
  | "shmdt"
  | "shmctl"
  | "semget"
  | "semop"
  | "semtimedop"
  | "semctl"
  | "ftok"
  | "futex"
  | "mmap";

/**
 * Refusals of the library itself; their `errno` is 0.
 *
 * - `EDETACHED`: the segment was detached, its memory is gone
 * - `EREADONLY`: the segment is attached read-only
 * - `EUNTRUSTED`: another user created or owns the object
 * - `EFORMAT`: what is in the memory is not what was expected there: not a channel, or another kind
 * - `ECORRUPT`: a value in shared memory that cannot be; a peer has gone wrong, or is hostile
 * - `ENOTSUP`: this operating system, processor or C library is not supported
 * - `ENOTCAPABLE`: Deno was not given `--allow-ffi`
 *
 * @example
 * ```ts
 * import { type LibraryErrorCode, Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const detached: LibraryErrorCode = "EDETACHED";
 * const segment = Segment.create({ size: 64 });
 * segment.remove();
 * segment.detach();
 * try {
 *   segment.read();
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.code, detached);
 *   assert.equal(error.errno, 0);
 * }
 * ```
 */
export type LibraryErrorCode =
  | "EDETACHED"
  | "EREADONLY"
  | "EUNTRUSTED"
  | "EFORMAT"
  | "ECORRUPT"
  | "ENOTSUP"
  | "ENOTCAPABLE";

const libraryErrorText: Readonly<Record<LibraryErrorCode, string>> = {
  EDETACHED: "it was detached",
  EREADONLY: "it is attached read-only",
  EUNTRUSTED: "it belongs to another user",
  EFORMAT: "its format is another one",
  ECORRUPT: "its memory is corrupt",
  ENOTSUP: "not supported on this platform",
  ENOTCAPABLE: "Deno's permission for foreign functions is missing",
};

/** What a failure is about and what to do; each part is left out where it is not known. */
export interface FailureDetails {
  /** The key the call was made with. */
  readonly key?: number | undefined;
  /** The id the call was made with. */
  readonly id?: number | undefined;
  /** The lane of the channel, where the failure is about one. */
  readonly lane?: number | undefined;
  /** What is known of it that explains the failure, without a final period. */
  readonly facts?: string | undefined;
  /** What a program can do about it, without a final period. */
  readonly remedy?: string | undefined;
  /** The option that the remedy is about. */
  readonly option?: ShmError["option"];
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
}

/** A key in hexadecimal with no more digits than it has, as commands take it: `0x457`. */
export function keyInHex(key: number): string {
  return `0x${(key >>> 0).toString(16)}`;
}

/** How a key is shown everywhere: decimal, as programs write it, and hexadecimal, as `ipcs` does. */
export function formatKey(key: number): string {
  return `${key} (${keyInHex(key)})`;
}

/** The call and the object, as far as there are any. */
function where(call: LibcCall | undefined, details: FailureDetails): string {
  const parts: string[] = [];
  if (details.key === IPC.PRIVATE) parts.push("a private key");
  else if (details.key !== undefined) parts.push(`key ${formatKey(details.key)}`);
  if (details.id !== undefined) parts.push(`id ${details.id}`);
  const object = parts.join(", ");
  if (call === undefined) return object === "" ? "" : `${object}: `;
  return object === "" ? `${call}: ` : `${call} for ${object}: `;
}

/**
 * A failed System V call, or a use of shared memory the library refuses.
 *
 * `code` is the errno name (`"ENOENT"`, `"EACCES"`, ...) or one of {@linkcode LibraryErrorCode}, `errno`
 * its number (0 for a refusal), `call` the C function that failed, if one did. `key` and `id` say which object, `lane` which
 * lane of a channel (`"ECORRUPT"`).
 *
 * @example Telling one failure from another
 * ```ts
 * import { Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * try {
 *   Segment.open(0x5eed0001);
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.code, "ENOENT");
 *   assert.equal(error.call, "shmget");
 * }
 * ```
 *
 * @example Dropping what a lane holds where somebody wrote over it, and going on
 * ```ts
 * import { Channel, Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4041, lanes: 2, laneCapacity: 4096 });
 * using one = channel.producer();
 * using two = channel.producer();
 * one.trySend(Uint8Array.of(1));
 * two.trySend(Uint8Array.of(2));
 * using intruder = Segment.attach(channel.id);
 * new Uint32Array(intruder.buffer)[768 / 4] = 0x7fffffff; // the length of the message in lane 0
 *
 * using consumer = channel.consumer();
 * assert.equal(consumer.tryReceive()?.bytes[0], 2); // what the other lanes hold comes first
 * try {
 *   consumer.tryReceive();
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.deepEqual([error.code, error.lane], ["ECORRUPT", 0]);
 *   consumer.discard(error.lane!);
 * }
 * assert.equal(consumer.tryReceive(), undefined);
 * ```
 */
export class ShmError extends Error {
  /** The class name, as it is printed. */
  override readonly name = "ShmError";
  /** The errno name, or a {@linkcode LibraryErrorCode}. */
  readonly code: ErrnoName | LibraryErrorCode | `E${number}`;
  /** The errno value; 0 where the library itself refused. */
  readonly errno: number;
  /** The C function that failed; `undefined` where the library refused without a call. */
  readonly call: LibcCall | undefined;
  /** The key of the object, where the call named one. */
  readonly key: number | undefined;
  /** The id of the object, where it is known. */
  readonly id: number | undefined;
  /** The lane whose memory cannot be (`"ECORRUPT"`): the one to `discard`. */
  readonly lane: number | undefined;
  /** What a program can do about it: the end of the message, where it is known. */
  readonly remedy: string | undefined;
  /** The option that the remedy is about, for a program that words its own advice. */
  readonly option:
    | "trust"
    | "recreate"
    | "noReserve"
    | "hugePages"
    | "lanes"
    | "laneCapacity"
    | "messageSize"
    | "withoutConsumer"
    | undefined;

  /**
   * Makes the error for `action` ("open the segment") that the library refuses. No call but `dlopen`
   * fails with a refusal, so none is named.
   */
  constructor(
    action: string,
    call: "dlopen" | undefined,
    reason: LibraryErrorCode,
    details?: FailureDetails,
  );
  /**
   * The same for an errno value that `call` failed with; `undefined` where the library refuses with an
   * errno's meaning (`EBUSY`, `EDEADLK`) and made no call.
   */
  constructor(action: string, call: LibcCall | undefined, reason: number, details?: FailureDetails);
  constructor(
    action: string,
    call: LibcCall | undefined,
    reason: number | LibraryErrorCode,
    details: FailureDetails = {},
  ) {
    if (typeof action !== "string") throw new TypeError('"action" takes a string');
    if (call !== undefined && typeof call !== "string") {
      throw new TypeError('"call" takes the name of a function, or undefined');
    }
    if (typeof reason !== "number" && typeof reason !== "string") {
      throw new TypeError('"reason" takes an errno, or the code of a refusal');
    }
    if (typeof details !== "object" || details === null) {
      throw new TypeError('"details" takes an object');
    }
    const code = typeof reason === "number" ? errnoName(reason) : reason;
    const text = typeof reason === "number" ? errnoText(reason) : libraryErrorText[reason];
    const more = [details.facts, details.remedy].filter((part) => part !== undefined);
    super(
      [`cannot ${action}: ${where(call, details)}${code}, ${text}`, ...more].join("; "),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.errno = typeof reason === "number" ? reason : 0;
    this.call = call;
    this.key = details.key;
    this.id = details.id;
    this.lane = details.lane;
    this.remedy = details.remedy;
    this.option = details.option;
    // Not frozen: `stack` and what a debugger or a logger adds are nothing of ours
    for (const fact of ["name", "code", "errno", "call", "key", "id", "lane", "remedy", "option"]) {
      Object.defineProperty(this, fact, { writable: false, configurable: false });
    }
  }
}
