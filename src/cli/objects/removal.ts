/**
 * Removes the objects that the command line names or chooses: first it finds and judges all of them, then
 * it asks all questions, and only then it removes.
 *
 * An object that the user names is removed, after a question if it is in use. Objects that options choose
 * are a guess: all are shown with the evidence and confirmed together, and those that may be needed are
 * confirmed one by one.
 *
 * Between the check and the removal the kernel may reuse an id for another object, though only after all
 * of its 65536 sequence numbers. A question can be open for that long, so after the last answer each
 * object is compared with the one in the question.
 */

import type { ObjectStat } from "../../sysv/object_stat.ts";
import { attempt, type Named, namedObjects, type Outcome } from "./named_objects.ts";
import { report } from "../output.ts";
import { confirm } from "../terminal/question.ts";
import { ownerText, type Removable } from "./removable.ts";
import { SELECTION_OPTIONS } from "./selection.ts";
import type { Use } from "./unused.ts";
import { TARGET_OPTIONS } from "./target.ts";
import type { OptionTable, Parsed } from "../usage.ts";
import { UsageError } from "../errors.ts";
import { plural } from "../text/wording.ts";

/** The options of a command that removes objects. */
export const REMOVAL_OPTIONS = {
  ...TARGET_OPTIONS,
  ...SELECTION_OPTIONS,
  "dry-run": { short: "n", help: "only show what would be done" },
  yes: { short: "y", help: "do not ask about what the options choose" },
  force: { short: "f", help: "do not ask about anything, even if it is in use" },
  json: { help: "a JSON array of what became of each; the stable form" },
} as const satisfies OptionTable;

type Request = Parsed<keyof typeof REMOVAL_OPTIONS>;

/**
 * Removes all requested objects, or only reports what it would do, and returns the outcome of each.
 *
 * @throws {UsageError} the request is unclear; nothing is removed then
 * @throws {CommandFailure} options choose objects and there is no terminal to ask on; nothing is removed
 * then
 * @throws {StandardStreamError} the terminal went during a question; nothing is removed then
 */
export function remove<Found extends ObjectStat>(
  kind: Removable<Found>,
  request: Request,
): Outcome[] {
  return new Removal(kind, request).run();
}

/** What will happen to a found object, and how it was used then. */
interface Verdict {
  readonly use: Use;
  readonly do: "remove" | "keep" | { readonly error: string };
}

/** What happened to an object, or what would happen. */
interface Fate {
  readonly line?: string;
  readonly removed: boolean;
  /** The number of attaches, before or after the removal. */
  readonly users: number;
  readonly error?: string;
}

/** The most ids in the report of objects that are left alone for the same reason. */
const IDS_TOLD = 8;

class Removal<Found extends ObjectStat> {
  readonly #kind: Removable<Found>;
  readonly #force: boolean;
  readonly #yes: boolean;
  readonly #dryRun: boolean;
  /** Whether options chose the objects; otherwise the user named each. */
  readonly #isChoice: boolean;
  readonly #named: readonly Named<Found>[];
  readonly #useOf: (stat: Found) => Use;

  /** Finds the objects that the command line names or chooses. */
  constructor(kind: Removable<Found>, request: Request) {
    const { options, positionals, repeated } = request;
    this.#kind = kind;
    this.#force = options.force === true;
    this.#yes = this.#force || options.yes === true;
    this.#dryRun = options["dry-run"] === true;
    const chooses = Object.keys(SELECTION_OPTIONS).some((name) => Object.hasOwn(options, name));
    const names = positionals.length > 0 || repeated.id !== undefined;
    if (chooses === names) {
      throw new UsageError(
        chooses
          ? "KEY or ID, or --mine, --orphans and --older-than: not both"
          : `Missing ${kind.name}: KEY or id:ID, or choose with --mine, --orphans, --older-than`,
      );
    }
    this.#isChoice = chooses;
    const all = kind.list();
    this.#useOf = kind.judge(all);
    this.#named = names ? namedObjects(request, all, kind.name) : this.#chosen(all, options);
  }

  #chosen(all: readonly Found[], options: Request["options"]): Named<Found>[] {
    const { orphans: _, ...others } = options;
    const isChosen = this.#kind.chosen(options);
    const fits = this.#kind.chosen(others);
    const isTaken = (stat: Found): boolean =>
      isChosen(stat, () => this.#useOf(stat)) ||
      (this.#force && fits(stat, () => this.#useOf(stat)) && this.#useOf(stat).abandoned === true);
    const candidates = all.filter((stat) => !this.#kind.isMarked(stat));
    const chosen = candidates.filter(isTaken);
    if (options.orphans === true) {
      const taken = new Set(chosen);
      this.#tellLeft(
        candidates.filter((stat) => !taken.has(stat) && fits(stat, () => this.#useOf(stat))),
      );
    }
    if (chosen.length === 0) report(`no ${this.#kind.name} is chosen: nothing to remove`);
    return chosen.map((stat) => ({ stat }));
  }

  /** Reports objects without a living creator that `--orphans` leaves alone, and how to remove them. */
  #tellLeft(others: readonly Found[]): void {
    const groups = new Map<string, { readonly ids: number[]; readonly unseen: boolean }>();
    for (const stat of others) {
      const { abandoned, reasons } = this.#useOf(stat);
      if (abandoned === false) continue;
      const key = `of ${ownerText(stat)}: ${reasons.join("; ")}`;
      const group = groups.get(key) ?? { ids: [], unseen: abandoned === null };
      group.ids.push(stat.id);
      groups.set(key, group);
    }
    for (const [why, { ids, unseen }] of groups) {
      const more = ids.length > IDS_TOLD ? `, and ${ids.length - IDS_TOLD} more` : "";
      const name = plural(ids.length, this.#kind.name);
      report(
        `left alone: ${name} (id ${ids.slice(0, IDS_TOLD).join(", ")}${more}) ${why}; ` +
          (unseen
            ? "run this where the creators can be seen, in their container or on its host, or name " +
              "what is to go (id:ID)"
            : "--force takes them too"),
      );
    }
  }

  /** Removes the objects, or reports what it would do, and returns the outcome of each. */
  run(): Outcome[] {
    if (this.#dryRun) {
      return this.#named.map((one) => this.#outcome(one, (stat) => this.#wouldRemove(stat)));
    }
    const found = this.#named.flatMap((one) => "stat" in one ? [one.stat] : []);
    const isWanted = !this.#isChoice || this.#confirmChoice(found);
    const verdicts = new Map(
      found.map((stat) => [stat, this.#decide(stat, isWanted)]),
    );
    // An answer can take a long time, so the objects are listed again right before the removal
    const list = this.#kind.list();
    const now = new Map(list.map((stat) => [stat.id, stat]));
    const useNow = this.#kind.judge(list);
    return this.#named.map((one) =>
      this.#outcome(
        one,
        (stat) => this.#carryOut(stat, verdicts.get(stat)!, now.get(stat.id), useNow),
      )
    );
  }

  /** Shows which objects the options chose and why, and asks once about all of them. */
  #confirmChoice(found: readonly Found[]): boolean {
    const chosen = found.filter((stat) => !this.#mustAsk(stat, this.#useOf(stat)));
    if (chosen.length === 0 || this.#yes) return true;
    for (const stat of chosen) report(this.#withEvidence(stat));
    const { name } = this.#kind;
    const what = chosen.length === 1 ? `the ${name}` : `the ${chosen.length} ${name}s`;
    return confirm(`remove ${what} above?`, "--yes does without, --dry-run only looks");
  }

  #withEvidence(stat: Found): string {
    return `${this.#kind.text(stat)} of ${ownerText(stat)}: ${this.#useOf(stat).evidence}`;
  }

  #outcome(one: Named<Found>, fateOf: (stat: Found) => Fate): Outcome {
    if (!("stat" in one)) return { ...one, facts: { removed: false, nattch: null } };
    const { line, removed, users, error } = fateOf(one.stat);
    return {
      key: one.stat.key,
      id: one.stat.id,
      ...(line === undefined ? {} : { line }),
      facts: { removed, nattch: this.#kind.staysWhileUsed ? users : null },
      error,
    };
  }

  #wouldRemove(stat: Found): Fate {
    const kind = this.#kind;
    const users = kind.users(stat);
    const use = this.#useOf(stat);
    const line = this.#mustAsk(stat, use)
      ? `would ask before removing ${kind.text(stat)}: ${kind.useText(stat, use)}`
      : this.#told(["would remove", "would mark"], stat, users);
    const why = this.#isChoice && use.verdict !== "in use" ? `: ${use.evidence}` : "";
    return { line: line + why, removed: false, users };
  }

  #mustAsk(stat: Found, { verdict }: Use): boolean {
    if (this.#force || this.#kind.isMarked(stat)) return false;
    return verdict === "in use" || (this.#isChoice && verdict !== "orphan");
  }

  #told([removed, marked]: readonly [string, string], stat: Found, users: number): string {
    const text = this.#kind.text(stat);
    if (users === 0 || !this.#kind.staysWhileUsed) return `${removed} ${text}`;
    const attaches = users === 1 ? "attach does" : `${users} attaches do`;
    return `${marked} ${text} for removal: it goes when its ${attaches}`;
  }

  #decide(stat: Found, isWanted: boolean): Verdict {
    const kind = this.#kind;
    const use = this.#useOf(stat);
    if (!this.#mustAsk(stat, use)) return { use, do: isWanted ? "remove" : "keep" };
    const question = `${kind.text(stat)} of ${ownerText(stat)}: ${kind.useText(stat, use)}: ` +
      "remove it all the same?";
    const answer = attempt(() => confirm(question, "--force does without"));
    if ("error" in answer) return { use, do: answer };
    return { use, do: answer.result ? "remove" : "keep" };
  }

  #carryOut(
    before: Found,
    verdict: Verdict,
    now: Found | undefined,
    useNow: (stat: Found) => Use,
  ): Fate {
    const kind = this.#kind;
    const users = kind.users(before);
    const text = kind.text(before);
    if (verdict.do === "keep") return { line: `kept ${text}`, removed: false, users };
    if (verdict.do !== "remove") return { ...verdict.do, removed: false, users };
    if (now !== undefined && !isSame(kind, before, now)) {
      return { error: `${text} is gone, and another one has its id`, removed: false, users: 0 };
    }
    const usersNow = now === undefined ? 0 : kind.users(now);
    if (
      now !== undefined && !this.#mustAsk(before, verdict.use) && this.#mustAsk(now, useNow(now))
    ) {
      const error = `${text} came into use just now: run again to be asked about it`;
      return { error, removed: false, users: usersNow };
    }
    const removal = attempt(() => kind.remove(before));
    if ("error" in removal) return { ...removal, removed: false, users: usersNow };
    const left = kind.usersLeft(before.id);
    return { line: this.#told(["removed", "marked"], before, left), removed: true, users: left };
  }
}

/** Whether an id still belongs to the same object. A removal mark may have taken its key. */
function isSame<Found extends ObjectStat>(
  kind: Removable<Found>,
  before: Found,
  now: Found,
): boolean {
  const birth = kind.birth(before);
  return kind.birth(now).every((fact, i) => fact === birth[i]) &&
    (now.key === before.key || kind.isMarked(now));
}
