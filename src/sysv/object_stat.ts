/**
 * What the kernel reports about every System V object, segment or semaphore set (`struct ipc_perm`), and
 * whether such an object is trusted. Internal: used by this folder.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { readFileStart } from "../../ffi/files.ts";
import { checkNumber, optionsReader } from "../layout/arguments.ts";
import type { KernelStructReader } from "./kernel_struct.ts";

/** Owner, creator and permissions of an object. */
export interface ObjectStat {
  /** The key as a signed number; 0 for a private object and for one marked for removal. */
  readonly key: number;
  /** The kernel's handle. 0 is a valid id. */
  readonly id: number;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  /** The owner's user id. `setPermissions` can change it. */
  readonly uid: number;
  /** The owner's group id. `setPermissions` can change it. */
  readonly gid: number;
  /** The creator's user id. It never changes. */
  readonly cuid: number;
  /** The creator's group id. It never changes. */
  readonly cgid: number;
}

/**
 * What to change of an object. What is left out stays. Only the owner, the creator and root may.
 */
export interface PermissionChange {
  /** Permission bits, 0 to 0o777. */
  readonly mode?: number;
  /** The id of the new owner. The creator keeps all rights. */
  readonly uid?: number;
  /** The id of the new owning group. */
  readonly gid?: number;
}

/** The fields of `struct ipc_perm`. */
export type PermName = "key" | "uid" | "gid" | "cuid" | "cgid" | "mode";

/** Reads the part that all objects have. The flag bits of the mode are left out. */
export function readPerm(id: number, struct: KernelStructReader<PermName>): ObjectStat {
  return {
    key: struct.number("key") | 0,
    id,
    mode: struct.number("mode") & 0o777,
    uid: struct.number("uid"),
    gid: struct.number("gid"),
    cuid: struct.number("cuid"),
    cgid: struct.number("cgid"),
  };
}

/** Writes the argument of `IPC_SET`: `stat` with `change`, which {@linkcode checkChange} has checked. */
export function writePerm(
  struct: KernelStructReader<PermName>,
  stat: ObjectStat,
  change: PermissionChange,
): void {
  struct.set("mode", change.mode ?? stat.mode);
  struct.set("uid", change.uid ?? stat.uid);
  struct.set("gid", change.gid ?? stat.gid);
}

/**
 * Why `IPC_SET` may refuse an account although the object exists: in a user namespace only some ids are
 * mapped to a user or group. `undefined` if both are mapped. Source: user_namespaces(7).
 */
export function unmappedAccount({ uid, gid }: Pick<ObjectStat, "uid" | "gid">): string | undefined {
  if (!isMapped("uid_map", uid)) return `user id ${uid} is not mapped in this user namespace`;
  if (!isMapped("gid_map", gid)) return `group id ${gid} is not mapped in this user namespace`;
  return undefined;
}

function isMapped(map: "uid_map" | "gid_map", id: number): boolean {
  return mappedIds(map)?.some(({ first, count }) => id >= first && id < first + count) ?? true;
}

/** The ids that are mapped in this user namespace; `undefined` without /proc. */
function mappedIds(
  map: "uid_map" | "gid_map",
): readonly { readonly first: number; readonly count: number }[] | undefined {
  const bytes = readFileStart(`/proc/self/${map}`, MAP_BYTES);
  if (typeof bytes === "number") return undefined;
  return new TextDecoder().decode(bytes).trim().split("\n").map((line) => {
    // The first id inside the namespace, the first id outside, and a count
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return { first, count };
  });
}

/** Enough for the 340 lines that a map may have. */
const MAP_BYTES = 2 ** 16;

/** Reads a kernel time, in whole seconds since 1970. 0 means never. */
export function readTime<Name extends string>(
  struct: KernelStructReader<Name>,
  name: Name,
): Date | null {
  const seconds = struct.number(name);
  return seconds === 0 ? null : new Date(seconds * 1000);
}

/** The number of all user ids, as a map holds it that maps all. */
const ALL_IDS = 2 ** 32 - 1;

/** The user id that stands for all users that a user namespace does not map. Source: user_namespaces(7). */
const OVERFLOW_ID = 65534;

/** The bits of a mode that let other users than the owner read or write. */
const FOR_OTHERS = 0o066;

/**
 * The user that created or owns the object, if it is neither this user nor root; otherwise `undefined`.
 * Such a user may have created the object at a well-known key as a trap.
 */
export function foreignUser({ cuid, uid, mode }: ObjectStat): number | undefined {
  return [cuid, uid].find((id) =>
    id !== 0 && (id !== geteuid() || id === OVERFLOW_ID && mayBeAnotherUser(mode))
  );
}

/**
 * Whether {@linkcode OVERFLOW_ID} may be another user than this one, which has this id too. If the mode
 * gives other users no access, the kernel lets only its owner use the object.
 */
function mayBeAnotherUser(mode: number): boolean {
  return (mode & FOR_OTHERS) !== 0 &&
    !(mappedIds("uid_map")?.some(({ count }) => count === ALL_IDS) ?? false);
}

/** Whether a result means that the object was removed before or while the call used it. */
export function isGone(result: number): boolean {
  return result === -ERRNO.EIDRM || result === -ERRNO.EINVAL;
}

/** The advice for a call that is missing, or that fails independently of the rights of an object. */
export function missingCallRemedy(errno: number): string | undefined {
  switch (errno) {
    case ERRNO.ENOSYS:
      return "this kernel was built without System V IPC, or a sandbox forbids it (the seccomp profile " +
        "of a container)";
    case ERRNO.EPERM:
      return "a sandbox forbids it (the seccomp profile of a container)";
    default:
      return undefined;
  }
}

/** Whether an error means that the object was removed before or while a call used it. */
export function saysGone(error: unknown): boolean {
  return error instanceof ShmError && isGone(-error.errno);
}

/** A mode in octal: `0600`. */
export function formatMode(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/**
 * Checks permission bits.
 *
 * @throws {RangeError} not an integer from 0 to 0o777
 */
export function checkMode(value: unknown): number {
  const mode = checkNumber(value, "mode");
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw new RangeError(`mode ${mode} is not an integer from 0 to 0o777 (511)`);
  }
  return mode;
}

const CHANGE = {
  mode: checkMode,
  uid: (id: unknown) => checkAccount("user", checkNumber(id, "uid")),
  gid: (id: unknown) => checkAccount("group", checkNumber(id, "gid")),
};

/**
 * Checks a {@linkcode PermissionChange}.
 *
 * @throws {RangeError} a mode, user id or group id is out of range
 */
export const checkChange: (change: unknown) => PermissionChange = optionsReader(
  CHANGE,
  [],
  "change",
);

function checkAccount(kind: "user" | "group", id: number): number {
  // -1 (0xffffffff) means "no such account" to the kernel
  if (Number.isInteger(id) && id >= 0 && id < 0xffffffff) return id;
  throw new RangeError(`${kind} id ${id} is not an integer from 0 to 4294967294`);
}
