/**
 * The library's error class: a failed call, or a use that the library refuses. Its one-line message names
 * the action, the call, the reason, the object and the remedy.
 */

import { IPC } from "./constants.ts";
import { type ErrnoName, errnoName, errnoText } from "./errno.ts";

/**
 * The C functions that can fail, and `dlopen`, which loads them.
 *
 * @example
 * ```ts
 * import type { LibcCall } from "@sysv/shm/sysv";
 * import { Segment, ShmError } from "@sysv/shm";
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
 * The codes of errors that the library itself raises. Their `errno` is 0.
 *
 * - `EDETACHED`: the segment was detached; its memory is gone
 * - `EREADONLY`: the segment is attached read-only
 * - `EUNTRUSTED`: another user created or owns the object
 * - `EFORMAT`: the memory does not have the expected format: not a channel, or another kind of channel
 * - `ECORRUPT`: shared memory holds an impossible value; a peer is faulty or hostile
 * - `ENOTSUP`: this operating system, processor or C library is not supported
 * - `ENOTCAPABLE`: Deno runs without `--allow-ffi`
 *
 * @example
 * ```ts
 * import type { LibraryErrorCode } from "@sysv/shm/sysv";
 * import { Segment, ShmError } from "@sysv/shm";
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

/** The object of a failure and the remedy. Each part is left out if it is not known. */
export interface FailureDetails {
  /** The key that the call was made with. */
  readonly key?: number | undefined;
  /** The id that the call was made with. */
  readonly id?: number | undefined;
  /** The lane of the channel, if the failure concerns one. */
  readonly lane?: number | undefined;
  /** Facts that explain the failure, without a final period. */
  readonly facts?: string | undefined;
  /** What a program can do about it, without a final period. */
  readonly remedy?: string | undefined;
  /** The option that the remedy recommends. */
  readonly option?: ShmError["option"];
  /** The underlying error, if there is one. */
  readonly cause?: unknown;
}

/** A key in hexadecimal without leading zeros, as commands accept it: `0x457`. */
export function keyInHex(key: number): string {
  return `0x${(key >>> 0).toString(16)}`;
}

/** A key in decimal, as in source code, and in hexadecimal, as in `ipcs`: the format of all messages. */
export function formatKey(key: number): string {
  return `${key} (${keyInHex(key)})`;
}

/**
 * A process by the id that the kernel returned, as in all messages: 0 is a process of another pid
 * namespace, and `undefined` one that ended after the call that found it.
 */
export function formatProcess(pid: number | undefined): string {
  if (pid === undefined) return "a process that has just gone";
  return pid === 0 ? "a process of another pid namespace" : `process ${pid}`;
}

/** Several processes, as {@linkcode formatProcess}. */
export function formatProcesses(pids: readonly number[]): string {
  return pids.map(formatProcess).join(", ");
}

/** The call and the object, where they are known. */
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
 * A failed System V call, or a use of shared memory that the library refuses.
 *
 * `code` is the errno name (`"ENOENT"`, `"EACCES"`, ...) or a {@linkcode LibraryErrorCode}. `errno` is the
 * number, or 0 if the library refused. `call` is the C function that failed, if one did. `key` and `id`
 * identify the object, and `lane` the lane of a channel (`"ECORRUPT"`).
 *
 * @example Distinguish failures by their code
 * ```ts
 * import { Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * try {
 *   Segment.open(0x5eed0001);
 * } catch (error) {
 *   assert(ShmError.is(error, "ENOENT"));
 *   assert.equal(error.call, "shmget");
 * }
 * ```
 *
 * @example Discard the messages of a corrupt lane and continue
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
 * assert.equal(consumer.tryReceive()?.bytes[0], 2); // messages of the other lanes come first
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
  /** The class name, as printed. */
  override readonly name = "ShmError";
  /** The errno name, or a {@linkcode LibraryErrorCode}. */
  readonly code: ErrnoName | LibraryErrorCode | `E${number}`;
  /** The errno value; 0 if the library itself refused. */
  readonly errno: number;
  /** The C function that failed; `undefined` if the library refused without a call. */
  readonly call: LibcCall | undefined;
  /** The key of the object, if the call named one. */
  readonly key: number | undefined;
  /** The id of the object, if it is known. */
  readonly id: number | undefined;
  /** The lane whose memory is corrupt (`"ECORRUPT"`): pass it to `discard`. */
  readonly lane: number | undefined;
  /** What a program can do about it, if known. It is also the end of the message. */
  readonly remedy: string | undefined;
  /** The option that the remedy recommends, for a program that writes its own advice. */
  readonly option:
    | "trust"
    | "recreate"
    | "noReserve"
    | "hugePages"
    | "lanes"
    | "laneCapacity"
    | "messageSize"
    | "cells"
    | "size"
    | "withoutConsumer"
    | "readOnly"
    | undefined;

  /**
   * Whether `error` is a `ShmError` with one of `codes`, or any `ShmError` if no code is given.
   *
   * @example
   * ```ts
   * import { Segment, ShmError } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * function exists(key: number): boolean {
   *   try {
   *     Segment.open(key).detach();
   *     return true;
   *   } catch (error) {
   *     if (ShmError.is(error, "ENOENT")) return false;
   *     throw error;
   *   }
   * }
   * assert(!exists(0x5eed0002));
   * ```
   */
  static is<Code extends ShmError["code"]>(
    error: unknown,
    ...codes: readonly Code[]
  ): error is ShmError & { readonly code: Code } {
    return error instanceof ShmError &&
      (codes.length === 0 || (codes as readonly unknown[]).includes(error.code));
  }

  /**
   * Makes the error for an `action` ("open the segment") that the library refuses. Among the calls, only
   * `dlopen` can fail with a {@linkcode LibraryErrorCode}.
   */
  constructor(
    action: string,
    call: "dlopen" | undefined,
    reason: LibraryErrorCode,
    details?: FailureDetails,
  );
  /**
   * Makes the error for a `call` that failed with an errno value. `call` is `undefined` if the library
   * itself refuses with an errno (`EBUSY`, `EDEADLK`) and made no call.
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
    // Not frozen: `stack`, and properties that a debugger or a logger adds, stay writable
    for (const fact of ["name", "code", "errno", "call", "key", "id", "lane", "remedy", "option"]) {
      Object.defineProperty(this, fact, { writable: false, configurable: false });
    }
  }
}
