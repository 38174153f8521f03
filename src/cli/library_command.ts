/**
 * The commands about one kind of object of this library, such as `channel`: what their verbs `ls`, `stat`
 * and `rm` have in common.
 */

import { type Command, command } from "./command.ts";
import { tellOutcomes } from "./objects/named_objects.ts";
import {
  type LibraryFacts,
  type LibraryObject,
  type LibraryStat,
  removable,
  shownColumns,
} from "./objects/library_object.ts";
import { AccountNames } from "./objects/object_facts.ts";
import { objectLines } from "./objects/object_lines.ts";
import { REMOVAL_OPTIONS, remove } from "./objects/removal.ts";
import { selection, SELECTION_OPTIONS } from "./objects/selection.ts";
import { findSegment, TARGET_OPTIONS, targetOf } from "./objects/target.ts";
import { Inventory } from "./objects/unused.ts";
import { print, printJson } from "./output.ts";
import { TABLE_OPTIONS, tableSettings } from "./table_options.ts";
import { printLabelled } from "./text/labelled_lines.ts";
import { tableJson, tableLines } from "./text/table.ts";
import { sizeInWords } from "./text/wording.ts";

/** The verbs that every kind has. `name` is that of the command. */
export function libraryVerbs<Stat extends LibraryStat, Facts extends LibraryFacts>(
  name: string,
  kind: LibraryObject<Stat, Facts>,
): { readonly ls: Command; readonly stat: Command; readonly rm: Command } {
  const names = kind.columns().map((column) => column.name);
  const ls = command({
    options: {
      ...SELECTION_OPTIONS,
      ...TABLE_OPTIONS,
      columns: { ...TABLE_OPTIONS.columns, choices: names, list: true },
      sort: { ...TABLE_OPTIONS.sort, choices: names },
      bytes: { short: "b", help: "sizes in bytes instead of 64K (1K is 1024)" },
    },
    completes: "nothing",
    refusal: `${name} stat shows a single one`,
    async run({ options }): Promise<void> {
      const style = { bytes: options.bytes === true };
      const { columns, sorted } = tableSettings(options, kind.columns(style));
      const chosen = selection(options);
      const names = new AccountNames();
      const inventory = new Inventory();
      const rows = sorted(
        kind.list()
          .filter((stat) =>
            chosen(stat.segment, () => inventory.segment(stat.segment, kind.content(stat)))
          )
          .map((stat) => kind.facts(stat, names)),
      );
      if (options.json === true) await printJson(tableJson(columns, rows));
      else await print(tableLines(columns ?? shownColumns(kind, style), rows).join("\n"));
    },
  });
  const stat = command({
    options: { ...TARGET_OPTIONS, json: { help: "as JSON; the stable form" } },
    async run(parsed): Promise<void> {
      const { id } = findSegment(targetOf(parsed));
      const stat = kind.look(id);
      const facts = kind.facts(stat);
      const { json, lines } = kind.details(stat);
      if (parsed.options.json === true) {
        return await printJson(JSON.stringify({ ...facts, ...json }, null, 2));
      }
      await printLabelled([
        [kind.name, `segment ${id}, ${sizeInWords(facts.size)}; semaphore set ${facts.setId}`],
        ...objectLines(facts),
        ...kind.lines(stat),
      ]);
      if (lines.length > 0) await print(["", ...lines].join("\n"));
    },
  });
  const rm = command({
    options: REMOVAL_OPTIONS,
    run: (parsed) => tellOutcomes(remove(removable(kind), parsed), parsed.options.json === true),
  });
  return { ls, stat, rm };
}
