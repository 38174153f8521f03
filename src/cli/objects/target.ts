/**
 * Finds the segment that the command line names: `KEY` or `id:ID`.
 *
 * A key and an id are both numbers, and `5` could be either. A bare number is the key, as everywhere in
 * this command. If a segment with that id exists too, the user must say which one is meant.
 */

import { formatKey, keyInHex } from "../../../ffi/shm_error.ts";
import { parseKey } from "../../sysv/key.ts";
import type { ObjectStat } from "../../sysv/object_stat.ts";
import { listSegments, type SegmentStat } from "../../sysv/segment_stat.ts";
import { programName } from "../program_name.ts";
import type { OptionTable, Parsed } from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";

/** The option that names segments, besides the arguments. */
export const TARGET_OPTIONS = {
  id: { value: "ID", multiple: true, help: "the segment with this id; the same as id:ID" },
} as const satisfies OptionTable;

/** The explanation of the arguments in a help text. */
export const TARGET_HELP =
  `KEY is 1111, 0x457, 02127 or path:project (ftok; ./id:5 for a file "id"); ID is
id:5 or --id 5. A plain number that is the key of one segment and the id of
another is refused: write 0x5 or id:5.`;

/** The name of a segment: a key or an id. */
export type Target =
  | { readonly kind: "id"; readonly id: number }
  | { readonly kind: "key"; readonly key: number; readonly decimal?: number };

/** Reads one argument; throws a `UsageError`, or a `ShmError` for the path of `path:project`. */
export function parseTarget(text: string): Target {
  if (text.startsWith("id:")) return { kind: "id", id: parseId(text.slice(3)) };
  const key = readKey(text);
  if (key === 0) {
    throw new UsageError(
      "key 0 is IPC_PRIVATE, which finds no segment: for the one with id 0 write id:0",
    );
  }
  return /^[0-9]+$/.test(text) && !/^0[0-9]/.test(text)
    ? { kind: "key", key, decimal: Number(text) }
    : { kind: "key", key };
}

function readKey(text: string): number {
  try {
    return parseKey(text);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new UsageError(`${error.message}; an id is id:5`);
  }
}

function parseId(text: string): number {
  const id = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(id <= 0x7fffffff)) {
    throw new UsageError(`"${text}" is not an id: write a whole number from 0 to 2147483647`);
  }
  return id;
}

/** The names on the command line as `parseTarget` reads them, arguments first. */
export function namesOf(
  { positionals, repeated }: Pick<Parsed<"id">, "positionals" | "repeated">,
): string[] {
  return [...positionals, ...(repeated.id ?? []).map((id) => `id:${id}`)];
}

/** The one target that the command line names; a `UsageError` if it names none or several. */
export function targetOf(parsed: Parameters<typeof namesOf>[0]): Target {
  const [name, another] = namesOf(parsed);
  if (name === undefined) throw new UsageError("Missing segment: KEY or id:ID");
  if (another !== undefined) throw new UsageError("one segment at a time");
  return parseTarget(name);
}

/** The segment that `target` names; a `CommandFailure` if there is none, a `UsageError` for two. */
export function findSegment(
  target: Target,
  segments: readonly SegmentStat[] = listSegments(),
): SegmentStat {
  return findObject(target, segments, "segment");
}

const LISTING = {
  "segment": "ls",
  "semaphore set": "ls --semaphores",
  "channel": "channel ls",
  "latest value": "latest ls",
  "topic": "topic ls",
} as const;

/** What errors call an object of each kind. */
export type ObjectName = keyof typeof LISTING;

/** As {@linkcode findSegment}, for objects of any kind. */
export function findObject<Found extends ObjectStat>(
  target: Target,
  objects: readonly Found[],
  kind: ObjectName,
): Found {
  const listing = `\`${programName()} ${LISTING[kind]}\` lists all of them`;
  if (target.kind === "id") {
    const found = objects.find(({ id }) => id === target.id);
    if (found !== undefined) return found;
    throw new CommandFailure(`no ${kind} has id ${target.id}: ${listing}`);
  }
  const { key, decimal } = target;
  // A segment that is marked for removal has no key any more
  const found = objects.find((each) => each.key === key);
  const byId = objects.find(({ id }) => id === decimal);
  if (found !== undefined && (byId === undefined || byId.id === found.id)) return found;
  if (found !== undefined) {
    throw new UsageError(
      `${decimal} is the key of ${kind} ${found.id} and the id of another: ` +
        `write ${keyInHex(key)} or id:${decimal}`,
    );
  }
  throw new CommandFailure(
    `no ${kind} has key ${formatKey(key)}: ` +
      (byId === undefined ? listing : `the one with id ${decimal} is id:${decimal}`),
  );
}
