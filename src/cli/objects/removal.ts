/**
 * Removing what the command line names or chooses: first everything is found, then everything asked,
 * and only then anything removed. For `rm_command.ts`.
 *
 * Between looking and removing, the kernel may give an id to another object, though only after it has
 * gone through its 65536 sequence numbers. A question can be open for that long, so after the last one
 * each object is compared with what was asked about.
 */

import type { ObjectStat } from "../../sysv/object_stat.ts";
import { attempt, type Named, namedObjects, type Outcome } from "./named_objects.ts";
import { report } from "../output.ts";
import { confirm } from "../terminal/question.ts";
import { ownerText, type Removable } from "./removable.ts";
import { SELECTION_OPTIONS } from "./selection.ts";
import { type Parsed, UsageError } from "../usage.ts";

/** What the command line asks for. */
type Request = Parsed<"id" | "dry-run" | "force" | keyof typeof SELECTION_OPTIONS>;

/**
 * Removes all that is asked for, or says what it would do, and gives what became of each.
 *
 * @throws {UsageError} it is not clear what is asked for; nothing is removed then
 * @throws {StandardStreamError} the terminal went while a question was open; nothing is removed then
 */
export function remove<Found extends ObjectStat>(
  kind: Removable<Found>,
  request: Request,
): Outcome[] {
  return new Removal(kind, request).run();
}

/** What is to become of one that was found, and how many users it had then. */
interface Verdict {
  readonly users: number;
  readonly do: "remove" | "keep" | { readonly error: string };
}

/** What became of one, or what would. */
interface Fate {
  readonly line?: string;
  readonly removed: boolean;
  /** How many users it has, or has left. */
  readonly users: number;
  readonly error?: string;
}

/** One removal of objects of one kind. */
class Removal<Found extends ObjectStat> {
  readonly #kind: Removable<Found>;
  readonly #force: boolean;
  readonly #dryRun: boolean;
  readonly #named: readonly Named<Found>[];

  /** Finds what the command line names or chooses. */
  constructor(kind: Removable<Found>, request: Request) {
    const { options, positionals, repeated } = request;
    this.#kind = kind;
    this.#force = options.force === true;
    this.#dryRun = options["dry-run"] === true;
    const chooses = Object.keys(SELECTION_OPTIONS).some((name) => Object.hasOwn(options, name));
    const names = positionals.length > 0 || repeated.id !== undefined;
    if (chooses === names) {
      throw new UsageError(
        chooses
          ? "KEY or ID, or --mine, --orphans and --older-than: not both"
          : `which ${kind.name}? give its key or id:ID, or choose with --mine, --orphans, --older-than`,
      );
    }
    this.#named = names ? namedObjects(request, kind.list(), kind.name) : this.#chosen(options);
  }

  #chosen(options: Request["options"]): Named<Found>[] {
    const isChosen = this.#kind.chosen(options);
    const chosen = this.#kind.list().filter((stat) => isChosen(stat) && !this.#kind.isMarked(stat));
    if (chosen.length === 0) report(`no ${this.#kind.name} is chosen: nothing to remove`);
    return chosen.map((stat) => ({ stat }));
  }

  /** Removes them, or says what it would do, and gives what became of each. */
  run(): Outcome[] {
    if (this.#dryRun) {
      return this.#named.map((one) => this.#outcome(one, (stat) => this.#wouldRemove(stat)));
    }
    const verdicts = new Map<Found, Verdict>();
    for (const one of this.#named) {
      if ("stat" in one) verdicts.set(one.stat, this.#decide(one.stat));
    }
    // People take their time to answer: look again, and then be quick
    const now = new Map(this.#kind.list().map((stat) => [stat.id, stat]));
    return this.#named.map((one) =>
      this.#outcome(one, (stat) => this.#carryOut(stat, verdicts.get(stat)!, now.get(stat.id)))
    );
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
    const line = this.#mustAsk(stat, users)
      ? `would ask before removing ${kind.text(stat)}: it ${kind.usersText(stat, users)}`
      : this.#told(["would remove", "would mark"], stat, users);
    return { line, removed: false, users };
  }

  #mustAsk(stat: Found, users: number): boolean {
    return users > 0 && !this.#force && !this.#kind.isMarked(stat);
  }

  #told([removed, marked]: readonly [string, string], stat: Found, users: number): string {
    const text = this.#kind.text(stat);
    if (users === 0 || !this.#kind.staysWhileUsed) return `${removed} ${text}`;
    const attaches = users === 1 ? "attach does" : `${users} attaches do`;
    return `${marked} ${text} for removal: it goes when its ${attaches}`;
  }

  #decide(stat: Found): Verdict {
    const kind = this.#kind;
    const users = kind.users(stat);
    if (!this.#mustAsk(stat, users)) return { users, do: "remove" };
    const question = `${kind.text(stat)} of ${ownerText(stat)} ${kind.usersText(stat, users)}: ` +
      "remove it all the same?";
    const answer = attempt(() => confirm(question, "--force does without"));
    if ("error" in answer) return { users, do: answer };
    return { users, do: answer.result ? "remove" : "keep" };
  }

  #carryOut(before: Found, verdict: Verdict, now: Found | undefined): Fate {
    const kind = this.#kind;
    const { users } = verdict;
    const text = kind.text(before);
    if (verdict.do === "keep") return { line: `kept ${text}`, removed: false, users };
    if (verdict.do !== "remove") return { ...verdict.do, removed: false, users };
    if (now !== undefined && !isSame(kind, before, now)) {
      return { error: `${text} is gone, and its id another's by now`, removed: false, users: 0 };
    }
    const usersNow = now === undefined ? 0 : kind.users(now);
    if (users === 0 && this.#mustAsk(before, usersNow)) {
      const error = `${text} was not in use just now and is: run again to be asked about it`;
      return { error, removed: false, users: usersNow };
    }
    const removal = attempt(() => kind.remove(before.id));
    if ("error" in removal) return { ...removal, removed: false, users: usersNow };
    const left = kind.usersLeft(before.id);
    return { line: this.#told(["removed", "marked"], before, left), removed: true, users: left };
  }
}

/** Whether an id still is that of the same object. Its key can only have been given up. */
function isSame<Found extends ObjectStat>(
  kind: Removable<Found>,
  before: Found,
  now: Found,
): boolean {
  const birth = kind.birth(before);
  return kind.birth(now).every((fact, i) => fact === birth[i]) &&
    (now.key === before.key || kind.isMarked(now));
}
