/** What a shell offers for the word that is being typed: the answer of `__complete`. */

import type { CommandEntry } from "../command.ts";
import { hexKey } from "../text/wording.ts";
import type { OptionSpec, OptionTable } from "../usage.ts";

/** One word that may be typed, and what it means. */
export interface Candidate {
  readonly word: string;
  readonly help: string;
}

/** The words that are offered, and what the shell does besides: no space after the word, or files. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly then: "" | "nospace" | "files";
}

const GLOBAL_OPTIONS: OptionTable = {
  help: { short: "h", help: "list the commands" },
  version: { short: "V", help: "show the version" },
};

/** The completion of the last of `words`, which follow the name of the program and may be empty. */
export async function completion(
  words: readonly string[],
  commands: readonly CommandEntry[],
): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const { candidates, then } = await everything(words, current, commands);
  return { candidates: candidates.filter(({ word }) => word.startsWith(current)), then };
}

async function everything(
  [name = "", ...rest]: readonly string[],
  current: string,
  commands: readonly CommandEntry[],
): Promise<Completion> {
  if (rest.length === 0) {
    const named = commands.map((each) => ({ word: each.name, help: each.summary }));
    return offer(name.startsWith("-") ? optionForms(GLOBAL_OPTIONS) : named);
  }
  const entry = commands.find((each) => each.name === name);
  if (entry === undefined) return offer([]);
  const { options, verbs = [], completes = "files" } = await entry.load();
  const before = rest.slice(0, -1);
  const sets = before.some((each) => optionNamed(options, each)?.name === "semaphores");
  if (!before.includes("--")) {
    const [, form = before.at(-1) ?? "", text = current] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
    const option = optionNamed(options, form)?.spec;
    const prefix = current.slice(0, current.length - text.length);
    if (option?.value !== undefined) return await values(option, prefix, text, sets);
    if (current.startsWith("-")) return offer(optionForms(options));
  }
  if (verbs.length > 0 && before.length === 0) return offer(plain(verbs));
  if (completes === "files") return offer([], "files");
  return offer(completes === "segments" ? await objects("segments", sets) : []);
}

function offer(candidates: readonly Candidate[], then: Completion["then"] = ""): Completion {
  return { candidates, then };
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, help: "" }));
}

function optionNamed(
  options: OptionTable,
  form: string,
): { readonly name: string; readonly spec: OptionSpec } | undefined {
  const found = Object.entries(options).find(([name, { short }]) =>
    form === `--${name}` || form === `-${short}`
  );
  return found && { name: found[0], spec: found[1] };
}

function optionForms(options: OptionTable): Candidate[] {
  return Object.entries(options).flatMap(([name, { short, help }]) => [
    { word: `--${name}`, help },
    ...(short === undefined ? [] : [{ word: `-${short}`, help }]),
  ]);
}

/** The values of an option: a KEY is a key in every command. `text` is typed, behind `prefix`. */
async function values(
  { value, choices, list }: OptionSpec,
  prefix: string,
  text: string,
  sets: boolean,
): Promise<Completion> {
  const kind = value === "KEY" ? "keys" : value === "ID" ? "ids" : undefined;
  const candidates = choices !== undefined ? plain(choices) : kind && await objects(kind, sets);
  const isList = list === true;
  const begun = prefix + (isList ? text.slice(0, text.lastIndexOf(",") + 1) : "");
  const words = (candidates ?? []).map(({ word, help }) => ({ word: begun + word, help }));
  return offer(words, isList ? "nospace" : "");
}

/** The keys and ids of the objects there are now: keys alone, ids alone, or both as arguments. */
async function objects(kind: "keys" | "ids" | "segments", sets: boolean): Promise<Candidate[]> {
  const found = sets
    ? (await import("../../sysv/semaphore_stat.ts")).listSemaphoreSets()
    : (await import("../../sysv/segment_stat.ts")).listSegments();
  return found.flatMap(({ key, id }) => [
    ...(kind === "ids" || key === 0 ? [] : [{ word: hexKey(key), help: `id ${id}` }]),
    ...(kind === "keys"
      ? []
      : [{ word: kind === "ids" ? `${id}` : `id:${id}`, help: `key ${hexKey(key)}` }]),
  ]);
}
