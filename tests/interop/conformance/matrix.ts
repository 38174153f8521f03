/**
 * The interop matrix: plays every case of the conformance suite between each two languages, and prints how
 * many passed. `deno task interop` prints a row for each protocol, with `--cases` for each case; `--markdown`
 * prints a table for a page. `--peer=NAME=PROGRAM` adds a program that speaks the line protocol of
 * `line_peer.ts`. Ends with 1 if a case failed.
 */

import { missing } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";
import { type Language, LANGUAGES } from "./languages.ts";
import { type Case, Stage } from "./scene.ts";
import { GROUPS, SUITE } from "./suite.ts";

/** A column: the languages of the side that sends and of the other one, and what failed. */
export interface Column {
  readonly head: string;
  readonly failures: ReadonlyMap<Case, unknown>;
}

const OPTION = /^--(?:cases|markdown|peer=(\w+)=(.+))$/;

/** The programs that the command line adds. */
function added(args: readonly string[]): Language[] {
  return args.flatMap((arg) => {
    const [option, name, program] = OPTION.exec(arg) ?? [];
    if (option === undefined) {
      console.error(`unknown option ${arg}: --cases, --markdown or --peer=NAME=PROGRAM`);
      Deno.exit(2);
    }
    if (name === undefined) return [];
    return [{ name, short: name, needs: {}, command: () => program!.split(" ") }];
  });
}

async function play(stage: Stage, sender: Language, receiver: Language): Promise<Column> {
  const failures = new Map<Case, unknown>();
  for (const { cases } of GROUPS) {
    for (const [each, failure] of await stage.play(cases, sender, receiver)) {
      failures.set(each, failure);
    }
  }
  return { head: `${sender.short}-${receiver.short}`, failures };
}

/** The table as lines: each row has a name and the cases that it counts. */
export function table(
  rows: readonly (readonly [name: string, cases: readonly Case[]])[],
  columns: readonly Column[],
  markdown: boolean,
): string[] {
  const cells = rows.map(([name, cases]) => [
    name,
    ...columns.map(({ failures }) => {
      const failed = cases.filter((each) => failures.has(each)).length;
      return `${cases.length - failed}/${cases.length}`;
    }),
  ]);
  const lines = [["", ...columns.map(({ head }) => head)], ...cells];
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length), 3));
  const padded = lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at]!)));
  if (!markdown) return padded.map((line) => line.join("  ").trimEnd());
  padded.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return padded.map((line) => `| ${line.join(" | ")} |`);
}

if (import.meta.main) {
  const languages = [...LANGUAGES, ...added(Deno.args)].filter(({ name, needs }) => {
    const reason = missing(needs);
    if (reason !== undefined) console.error(`without ${name}: ${reason}`);
    return reason === undefined;
  });
  const columns: Column[] = [];
  {
    using folder = new TestFolder();
    await using stage = new Stage(folder);
    for (const sender of languages) {
      for (const receiver of languages) columns.push(await play(stage, sender, receiver));
    }
  }
  const byCase = Object.entries(SUITE).flatMap(([protocol, cases]) =>
    cases.map((each) => [`${protocol}: ${each.name}`, [each]] as const)
  );
  const rows = Deno.args.includes("--cases") ? byCase : Object.entries(SUITE);
  for (const line of table(rows, columns, Deno.args.includes("--markdown"))) console.log(line);
  let failed = 0;
  for (const { head, failures } of columns) {
    for (const [name, [each]] of byCase) {
      if (!failures.has(each!)) continue;
      const failure = failures.get(each!);
      console.error(`${head}: ${name}: ${failure instanceof Error ? failure.message : failure}`);
      failed++;
    }
  }
  if (failed > 0) Deno.exit(1);
}
