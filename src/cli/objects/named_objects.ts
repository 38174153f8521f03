/** Applies one action to several named objects: all are found first, each is changed once. */

import { ShmError } from "../../../ffi/shm_error.ts";
import type { ObjectStat } from "../../sysv/object_stat.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { print, printJson, reportError } from "../output.ts";
import { findObject, namesOf, type ObjectName, parseTarget } from "./target.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { hexKey, keyText } from "../text/wording.ts";

export function segmentText({ id, key, size }: SegmentStat): string {
  return `segment ${id} (${keyText(key)}, ${size} bytes)`;
}

/** A named object as it was found; or, if it was not, what is known of it and the reason. */
export type Named<Found extends ObjectStat> =
  | { readonly stat: Found }
  | { readonly key: number | null; readonly id: number | null; readonly error: string };

/** Finds all that the command line names: arguments first, each once; or throws a `UsageError`. */
export function namedObjects<Found extends ObjectStat>(
  parsed: Parameters<typeof namesOf>[0],
  objects: readonly Found[],
  kind: ObjectName,
): Named<Found>[] {
  const texts = namesOf(parsed);
  if (texts.length === 0) throw new UsageError(`Missing ${kind}: KEY or id:ID`);
  // A mistake in the last argument must be found before the first object is changed
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
  kind: ObjectName,
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

/** The result of `action`, or why it failed. Usage errors and our own bugs are thrown. */
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

export interface Outcome {
  /** The object's key and id; `null` if unknown. */
  readonly key: number | null;
  readonly id: number | null;
  readonly line?: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly error: string | undefined;
}

/**
 * Reports all outcomes: failures on standard error and the rest on standard output; with `json`, all of
 * them on standard output as JSON. Returns the exit code.
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
