/**
 * Doing the same to several segments or semaphore sets that the command line names: all are looked up
 * before the first is touched, each is touched once, and the failure of one is no reason to leave out
 * the rest. For `rm`, `chmod` and `chown`.
 */

import { ShmError } from "../../../ffi/shm_error.ts";
import { IPC_PRIVATE } from "../../sysv/key.ts";
import type { ObjectStat } from "../../sysv/object_stat.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { CommandFailure } from "../command.ts";
import { print, printJson, reportError } from "../output.ts";
import { hexKey } from "./object_facts.ts";
import { findObject, parseTarget } from "./target.ts";
import { type Parsed, UsageError } from "../usage.ts";

/** A key as results tell it to people. */
export function keyText(key: number): string {
  return key === IPC_PRIVATE ? "no key" : `key ${hexKey(key)}`;
}

/** A segment as results tell it to people. */
export function segmentText({ id, key, size }: SegmentStat): string {
  return `segment ${id} (${keyText(key)}, ${size} bytes)`;
}

/** An object that was named, as it was found, or what is known of one that was not, and why not. */
export type Named<Found extends ObjectStat> =
  | { readonly stat: Found }
  | { readonly key: number | null; readonly id: number | null; readonly error: string };

/**
 * Finds everything the command line names among `objects`: arguments first, in order, each once.
 *
 * @throws {UsageError} an argument names nothing that can be, or could mean one of two, or there is none
 */
export function namedObjects<Found extends ObjectStat>(
  { positionals, repeated }: Pick<Parsed<"id">, "positionals" | "repeated">,
  objects: readonly Found[],
  kind: Parameters<typeof findObject>[2],
): Named<Found>[] {
  const texts = [...positionals, ...(repeated.id ?? []).map((id) => `id:${id}`)];
  if (texts.length === 0) throw new UsageError(`which ${kind}? give its key, or id:ID`);
  // A mistake in the last of them must be found before anything is done to the first
  const all = texts.map((text) => named(text, objects, kind));
  const seen = new Set<number>();
  return all.filter((one) => {
    if (!("stat" in one)) return true;
    const first = !seen.has(one.stat.id);
    seen.add(one.stat.id);
    return first;
  });
}

function named<Found extends ObjectStat>(
  text: string,
  objects: readonly Found[],
  kind: Parameters<typeof findObject>[2],
): Named<Found> {
  const target = attempt(() => parseTarget(text));
  if ("error" in target) return { key: null, id: null, error: target.error };
  const found = attempt(() => findObject(target.result, objects, kind));
  if ("result" in found) return { stat: found.result };
  return {
    key: "key" in target.result ? target.result.key : null,
    id: "id" in target.result ? target.result.id : null,
    error: found.error,
  };
}

/** What `action` gives, or why it failed. Wrong usage and our own mistakes are not among the reasons. */
export function attempt<Result>(
  action: () => Result,
): { readonly result: Result } | { readonly error: string } {
  try {
    return { result: action() };
  } catch (error) {
    if (!(error instanceof ShmError || error instanceof CommandFailure)) throw error;
    return { error: error.message };
  }
}

/** What became of one object. */
export interface Outcome {
  /** The object, `null` where it is not known. */
  readonly key: number | null;
  readonly id: number | null;
  /** What is told to people about what was done. */
  readonly line?: string;
  /** What more `--json` tells. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Why it was not done. */
  readonly error: string | undefined;
}

/**
 * Tells what became of all: failures on standard error, the rest on standard output, and all of it
 * there as JSON. Gives the exit code.
 */
export async function tellOutcomes(outcomes: readonly Outcome[], json: boolean): Promise<number> {
  const failures = outcomes.flatMap(({ error }) => error ?? []);
  for (const error of failures) reportError(error);
  const text = json
    ? outcomesJson(outcomes)
    : outcomes.flatMap(({ line }) => line ?? []).join("\n");
  if (text !== "") await (json ? printJson(text) : print(text));
  return failures.length === 0 ? 0 : 1;
}

function outcomesJson(outcomes: readonly Outcome[]): string {
  const records = outcomes.map(({ key, id, facts, error = null }) => ({
    id,
    key,
    keyHex: key === null ? null : hexKey(key),
    ...facts,
    error,
  }));
  return JSON.stringify(records, null, 2);
}
