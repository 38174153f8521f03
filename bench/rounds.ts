/** Runs the cases in rounds in which all take turns, and gathers their figures. */

import type { Case, Round } from "./cases.ts";
import type { Latency } from "./latency.ts";
import { caseName, type CaseResult } from "./result.ts";

/** What to do. */
export interface Plan {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** Whether a round that does not count comes first: it warms up, and finds how many messages to send. */
  readonly rehearse: boolean;
  readonly newLatency: () => Latency;
  /** Told of each turn before it. */
  readonly turn: (done: number, all: number, now: string) => void;
  readonly failed: (text: string) => void;
}

interface Gathered {
  readonly figures: number[];
  readonly beside: Record<string, number[]>;
  readonly failures: string[];
  latency?: Latency;
}

/** Runs the plan. A case that fails is noted, and the run goes on. */
export async function runRounds(plan: Plan): Promise<CaseResult[]> {
  const gathered = new Map<string, Gathered>();
  const at = (one: Case, variant: string): Gathered => {
    const name = caseName({ ...one, variant });
    const there = gathered.get(name);
    if (there !== undefined) return there;
    const fresh: Gathered = { figures: [], beside: {}, failures: [] };
    gathered.set(name, fresh);
    return fresh;
  };
  const all = plan.cases.length * (plan.rounds + (plan.rehearse ? 1 : 0));
  let done = 0;
  for (let round = plan.rehearse ? 0 : 1; round <= plan.rounds; round++) {
    for (const one of plan.cases) {
      const name = caseName({
        ...one,
        variant: one.variants.length === 1 ? one.variants[0]! : "*",
      });
      const which = round === 0 ? "rehearsal" : `round ${round} of ${plan.rounds}`;
      plan.turn(done++, all, `${which}: ${name}`);
      let figures: Readonly<Record<string, Round | string>>;
      try {
        figures = await one.run();
      } catch (error) {
        const reason = (error as Error).message;
        plan.failed(`failed, ${which}: ${name}: ${reason}`);
        if (round > 0) {
          for (const variant of one.variants) at(one, variant).failures.push(reason);
        }
        continue;
      }
      if (round === 0) continue;
      for (const variant of one.variants) {
        const figure = figures[variant];
        if (figure === undefined) at(one, variant).failures.push("it gave no figure");
        else if (typeof figure === "string") at(one, variant).failures.push(figure);
        else keep(at(one, variant), figure, plan.newLatency);
      }
    }
  }
  return plan.cases.flatMap((one) =>
    one.variants.map((variant) => {
      const { figures, beside, failures, latency } = at(one, variant);
      return {
        measure: one.measure,
        peer: one.peer,
        variant,
        figures,
        beside,
        failures,
        ...(latency === undefined ? {} : { percentiles: latency.percentiles() }),
      };
    })
  );
}

function keep(into: Gathered, { figure, beside, times }: Round, newLatency: () => Latency): void {
  into.figures.push(figure);
  for (const [name, value] of Object.entries(beside)) (into.beside[name] ??= []).push(value);
  if (times !== undefined) (into.latency ??= newLatency()).add(times);
}
