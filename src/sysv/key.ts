/**
 * Keys: the numbers that programs agree on to find the same object.
 *
 * A C `key_t` is a signed 32-bit number, written in many ways. This library always stores the signed
 * number. This file parses every way of writing it, and has every way in which messages and tables show it.
 */

import { ftok as libcFtok } from "../../ffi/shm.ts";
import { IPC } from "../../ffi/constants.ts";
import { formatKey, keyInHex, ShmError } from "../../ffi/shm_error.ts";
import { checkNumber, checkText } from "../layout/arguments.ts";
import { describe } from "../layout/refusal.ts";

/**
 * The key of private objects, 0. Each object created with it is a new one, found only by its id.
 *
 * @example
 * ```ts
 * import { IPC_PRIVATE, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 64 });
 * segment.remove();
 * assert.equal(segment.key, IPC_PRIVATE);
 * ```
 */
export const IPC_PRIVATE: number = IPC.PRIVATE;

/**
 * Checks that `key` is a 32-bit integer and returns it as a signed number: -2^31 to 2^31 - 1.
 * `0xdeadbeef` and `-559038737` are the same key.
 *
 * @throws {TypeError} not an integer
 * @throws {RangeError} outside -2^31 to 2^32 - 1
 */
export function checkKey(key: unknown): number {
  if (typeof key !== "number" || !Number.isInteger(key)) {
    throw new TypeError(`a key is a 32-bit integer, not ${describe(key)}`);
  }
  if (key < -(2 ** 31) || key >= 2 ** 32) {
    throw new RangeError(`key ${key} does not fit 32 bits (-2147483648 to 4294967295)`);
  }
  return key | 0;
}

export { formatKey, keyInHex };

/** A key in hexadecimal with all eight digits, as in tables and `ipcs`: `0x00000457`. */
export function hexKey(key: number): string {
  return `0x${(key >>> 0).toString(16).padStart(8, "0")}`;
}

/**
 * Parses a key: decimal (`1111`, `-5`), hexadecimal (`0x457`), octal (`02127`), or `path:project`,
 * which means `ftok(path, project)`. The project is a number or one character: `/etc/hosts:65` and
 * `/etc/hosts:A` are the same key.
 *
 * Only the last form reads file metadata. It does so through libc and needs no `--allow-read`.
 *
 * @throws {TypeError} the text is none of these
 * @throws {RangeError} the number does not fit 32 bits
 * @throws {ShmError} `ftok` failed, `ENOENT` for a path that does not exist
 *
 * @example
 * ```ts
 * import { parseKey } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * assert.equal(parseKey("1111"), 1111);
 * assert.equal(parseKey("0x457"), 1111);
 * assert.equal(parseKey("02127"), 1111);
 * assert.equal(parseKey("0xffffffff"), -1);
 * ```
 */
export function parseKey(text: string): number {
  const number = parseInteger(checkText(text, "text"));
  if (number !== undefined) return checkKey(number);
  const colon = text.lastIndexOf(":");
  if (colon > 0) {
    const project = text.slice(colon + 1);
    const projectId = parseInteger(project) ??
      (/^[\x21-\x7e]$/.test(project) ? project.charCodeAt(0) : undefined);
    if (projectId !== undefined) return ftok(text.slice(0, colon), checkProject(projectId));
  }
  throw new TypeError(
    `"${text}" is not a key: write 1111, 0x457, 02127 or path:project (a number or one character)`,
  );
}

/** C uses only the low 8 bits. A larger number is refused, because it looks like another project. */
function checkProject(projectId: number): number {
  if (projectId >= 0 && projectId <= 0xff) return projectId;
  throw new RangeError(
    `project id ${projectId} is not from 1 to 255: to ftok it is the same as ${projectId & 0xff}`,
  );
}

/** Parses a number in C notation, or returns `undefined`. */
function parseInteger(text: string): number | undefined {
  const [, sign, digits] = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const octal = /^0[0-7]+$/.test(digits);
  const value = octal ? parseInt(digits, 8) : Number(digits);
  return sign === "-" && value !== 0 ? -value : value;
}

/**
 * Returns the key for a file and a project, the same as in every other program:
 * `(projectId & 0xff) << 24 | (device & 0xff) << 16 | (inode & 0xffff)`.
 *
 * Different files can have the same key, and a file created again has another one. Source: ftok(3).
 *
 * @throws {RangeError} the low 8 bits of `projectId` are zero, for which C does not define a key
 * @throws {ShmError} the file's metadata cannot be read: `ENOENT`, `EACCES`, ...
 *
 * @example
 * ```ts
 * import { ftok } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * assert.equal(ftok("/etc/passwd", 65) >>> 24, 65);
 * ```
 */
export function ftok(path: string, projectId: number): number {
  checkText(path, "path");
  checkNumber(projectId, "projectId");
  if (!Number.isInteger(projectId) || projectId !== (projectId | 0) || (projectId & 0xff) === 0) {
    throw new RangeError(
      `project id ${projectId} must be an integer whose low 8 bits are not all zero`,
    );
  }
  if (path.includes("\0")) throw new TypeError("a path cannot contain a NUL");
  const result = libcFtok(path, projectId);
  if ("key" in result) return result.key;
  throw new ShmError(`make a key from the file ${path}`, "ftok", result.errno, {
    remedy: "the file must exist and be reachable for every program that uses the key",
  });
}
