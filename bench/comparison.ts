/** What changed between two results. */

import { numberText, ratioText } from "./figures_text.ts";
import { caseName, type CaseResult, MEASURES, type Result } from "./result.ts";
import { apart, median } from "./statistics.ts";
import { table } from "./table.ts";

/** With fewer rounds their spread says nothing. */
const LEAST_ROUNDS = 3;

/** A case that both results have. */
export interface Change {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** How many times as good it is: above 1 is better, whichever way its unit goes. */
  readonly gain: number;
  /** Whether there are enough rounds, and those of one all lie beyond those of the other. */
  readonly clear: boolean;
}

/** The cases of both, the clearest first, and the names of those that only one of them has. */
export function changes(before: Result, after: Result): {
  readonly both: Change[];
  readonly onlyBefore: string[];
  readonly onlyAfter: string[];
} {
  const measured = (result: Result): Map<string, CaseResult> =>
    new Map(
      result.cases.filter(({ figures }) => figures.length > 0).map((one) => [caseName(one), one]),
    );
  const [old, now] = [measured(before), measured(after)];
  const both: Change[] = [];
  for (const [name, one] of now) {
    const other = old.get(name);
    if (other === undefined) continue;
    const [was, is] = [median(other.figures), median(one.figures)];
    const { unit, better } = MEASURES[one.measure];
    both.push({
      name,
      unit,
      before: was,
      after: is,
      gain: better === "more" ? is / was : was / is,
      clear: Math.min(other.figures.length, one.figures.length) >= LEAST_ROUNDS &&
        apart(other.figures, one.figures),
    });
  }
  const weight = ({ gain }: Change): number => Math.abs(Math.log(gain)) || 0;
  both.sort((a, b) => Number(b.clear) - Number(a.clear) || weight(b) - weight(a));
  return {
    both,
    onlyBefore: [...old.keys()].filter((name) => !now.has(name)),
    onlyAfter: [...now.keys()].filter((name) => !old.has(name)),
  };
}

function headline(result: Result): string {
  const { date, commit, modified, rounds, machine, software } = result;
  return `${date.slice(0, 16)}  commit ${commit}${modified ? " and changes" : ""}, ` +
    `${rounds} rounds, Deno ${software.deno}, ${machine.cpu}, ${machine.cores} cores, ` +
    `Linux ${machine.kernel}`;
}

/** The comparison as text. */
export function compareResults(before: Result, after: Result): string {
  const { both, onlyBefore, onlyAfter } = changes(before, after);
  const clear = both.filter((one) => one.clear);
  const rows = (list: readonly Change[]): string[][] =>
    list.map(({ name, unit, before: was, after: is, gain }) => [
      name,
      numberText(was),
      numberText(is),
      unit,
      ratioText(gain),
    ]);
  const head = ["case", "A", "B", "unit", "B is so many times as good"];
  const only = (which: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : ["", `Only in ${which}: ${names.join(", ")}`];
  const other = before.machine.cpu !== after.machine.cpu ||
    before.machine.kernel !== after.machine.kernel;
  return [
    `A: ${headline(before)}`,
    `B: ${headline(after)}`,
    ...(other ? ["These are two machines: what differs need not be the library."] : []),
    ...(Math.min(before.rounds, after.rounds) < LEAST_ROUNDS
      ? ["With so few rounds their spread is not known: take nothing for a change."]
      : []),
    "",
    clear.length === 0
      ? "No case changed beyond the spread of its rounds."
      : `Changed beyond the spread of the rounds: ${clear.length} of ${both.length}`,
    ...(clear.length === 0 ? [] : ["", table(head, rows(clear))]),
    ...(clear.length === both.length ? [] : [
      "",
      "Within the spread:",
      "",
      table(head, rows(both.filter((one) => !one.clear))),
    ]),
    ...only("A", onlyBefore),
    ...only("B", onlyAfter),
  ].join("\n");
}
