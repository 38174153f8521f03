/** Runs the cases in rounds in which all take turns, and gathers their figures. */

import type { Case, Round } from "./cases.ts";
import { Latency } from "./latency.ts";
import type { CaseResult, Measure } from "./result.ts";

/** What to do. */
export interface Plan {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** Whether a round that does not count comes first: it warms up, and finds how many messages to send. */
  readonly rehearse: boolean;
  /** Told of each turn before it. */
  readonly turn: (done: number, all: number, now: string) => void;
  readonly failed: (text: string) => void;
}

/** Digits of a figure that a result keeps: more are noise. */
const DIGITS = 5;

/** What the rounds of one case gave. */
class Gathered {
  readonly figures: number[] = [];
  readonly beside: Record<string, number[]> = {};
  readonly failures: string[] = [];
  #latency: Latency | undefined;

  keep({ figure, beside = {}, times }: Round): void {
    this.figures.push(rounded(figure));
    for (const [name, value] of Object.entries(beside)) {
      (this.beside[name] ??= []).push(rounded(value));
    }
    if (times !== undefined) (this.#latency ??= new Latency()).add(times);
  }

  result(name: string): CaseResult {
    const [measure, peer, ...variant] = name.split("/") as [Measure, string, ...string[]];
    const { figures, beside, failures } = this;
    return {
      measure,
      peer,
      variant: variant.join("/"),
      figures,
      ...(Object.keys(beside).length === 0 ? {} : { beside }),
      ...(this.#latency === undefined ? {} : { percentiles: this.#latency.percentiles() }),
      ...(failures.length === 0 ? {} : { failures }),
    };
  }
}

function rounded(figure: number): number {
  return Number(figure.toPrecision(DIGITS));
}

/** Runs the plan. A case that fails is noted, and the run goes on. */
export async function runRounds(plan: Plan): Promise<CaseResult[]> {
  const gathered = new Map<string, Gathered>();
  for (const name of plan.cases.flatMap(({ names }) => names)) gathered.set(name, new Gathered());
  const turns: [round: number, one: Case][] = [];
  for (let round = plan.rehearse ? 0 : 1; round <= plan.rounds; round++) {
    for (const one of plan.cases) {
      const { most } = one;
      if (most === undefined || (round > 0 && round <= most)) turns.push([round, one]);
    }
  }
  for (const [done, [round, one]] of turns.entries()) {
    const [first, ...others] = one.names;
    const which = round === 0 ? "rehearsal" : `round ${round} of ${plan.rounds}`;
    const now = `${which}: ${first}${others.length === 0 ? "" : " and more"}`;
    plan.turn(done, turns.length, now);
    let figures: Readonly<Record<string, Round | string>> = {};
    let failure = "it gave no figure";
    try {
      figures = await one.run();
    } catch (error) {
      failure = (error as Error).message;
      plan.failed(`failed, ${now}: ${failure}`);
    }
    if (round === 0) continue;
    for (const name of one.names) {
      const figure = figures[name] ?? failure;
      if (typeof figure === "string") gathered.get(name)!.failures.push(figure);
      else gathered.get(name)!.keep(figure);
    }
  }
  return [...gathered].map(([name, one]) => one.result(name));
}
