/** `cli.ts doctor`: finds problems with shared memory, and facts that are worth knowing. */

import { command } from "../command.ts";
import { examineObjects } from "../doctor/doctor_objects.ts";
import {
  type CheckName,
  CHECKS,
  type Diagnosis,
  type Finding,
  isRemark,
  type NotChecked,
} from "../doctor/doctor_report.ts";
import { examineLimits, examineSystem } from "../doctor/doctor_system.ts";
import { limitFacts } from "../objects/limit_facts.ts";
import { paint, print, printable, printJson, report } from "../output.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { FactsReader } from "../objects/segment_facts.ts";
import { Inventory } from "../objects/unused.ts";
import type { OptionTable } from "../usage.ts";
import { wrapText } from "../terminal/spans.ts";
import { plural } from "../text/wording.ts";
import { UsageError } from "../errors.ts";

const CHECK_NAMES = Object.keys(CHECKS) as CheckName[];

const OPTIONS = {
  skip: {
    value: "CHECKS",
    choices: CHECK_NAMES,
    list: true,
    help: "omit these: limits,orphans,...",
  },
  verbose: { short: "v", help: "show each object of a finding about several" },
  json: { help: "as JSON; the stable form" },
} as const satisfies OptionTable;

function checksHelp(remarks: boolean): string {
  const width = Math.max(...CHECK_NAMES.map((name) => name.length));
  return CHECK_NAMES.filter((check) => isRemark({ check }) === remarks)
    .map((name) => `  ${name.padEnd(width)}  ${CHECKS[name].looksFor}`).join("\n");
}

export const doctorCommand = command({
  options: OPTIONS,
  completes: "nothing",
  help: (options) =>
    `Find problems with shared memory, and facts that are worth knowing.

Usage: cli.ts doctor [options]

doctor changes nothing. A problem has a command that fixes it and is safe to
run as printed, and the exit code is 1:
${checksHelp(false)}

A fact that is worth knowing has no command, because doctor cannot see whether
another program needs or intends it; without problems the exit code is 0:
${checksHelp(true)}

The objects of one process are one finding. Standard error names the checks
that could not be made: run with -A as root for all of them.

Options:
${options}

--json is one object: findings (problems) and remarks (worth knowing), each an
array of check, segment and semaphoreSet (the id, if it is about a single one),
process (that created or holds them, or null), count, bytes (of all segments,
or null), what, detail (of the first of several, or null), why, fix (a command;
null for remarks) and objects (an array of segment, semaphoreSet, what,
detail); and notChecked, an array of check and why.

Exit codes: 0 no problems; 1 problems, or failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts doctor
  deno run -A cli.ts doctor --skip held,orphans
  deno run --allow-ffi cli.ts doctor --json | jq -r '.findings[].fix'
`,
  async run({ options }): Promise<number> {
    const diagnosis = examine(skippedChecks(options.skip));
    if (options.json === true) await printJson(JSON.stringify(diagnosis, null, 2));
    else {
      await print(diagnosisText(diagnosis, options.verbose === true));
      tellNotChecked(diagnosis.notChecked);
    }
    return diagnosis.findings.length === 0 ? 0 : 1;
  },
});

function skippedChecks(text: string | true | undefined): ReadonlySet<CheckName> {
  if (typeof text !== "string") return new Set();
  const names = text.split(",").map((each) => {
    const name = CHECK_NAMES.find((known) => known === each.trim());
    if (name !== undefined) return name;
    throw new UsageError(
      `no check ${JSON.stringify(each)}: choose from ${CHECK_NAMES.join(", ")}`,
    );
  });
  return new Set(names);
}

/** Makes every check that is possible, and leaves out the results of skipped ones. */
function examine(skipped: ReadonlySet<CheckName>): Diagnosis {
  const inventory = new Inventory();
  const names = new AccountNames();
  const reader = new FactsReader({ inventory });
  const objects = examineObjects({
    inventory,
    names,
    attachersOf: (id) => reader.attachersOf(id),
  });
  const system = examineSystem(inventory.segments, names);
  const kept = <Of extends { readonly check: CheckName }>(all: readonly Of[]): Of[] =>
    all.filter(({ check }) => !skipped.has(check));
  const found = kept([...objects.found, ...examineLimits(limitFacts()), ...system.found]);
  return {
    findings: found.filter((each) => !isRemark(each)),
    remarks: found.filter(isRemark),
    notChecked: kept([...objects.notChecked, ...system.notChecked]),
  };
}

function diagnosisText({ findings, remarks }: Diagnosis, verbose: boolean): string {
  const wrong = plural(findings.length, "finding");
  return [
    findings.length === 0 ? paint("green", "nothing wrong found") : chapters(findings, verbose),
    ...(remarks.length === 0 ? [] : [paint("bold", "worth knowing"), chapters(remarks, verbose)]),
    ...(findings.length === 0 ? [] : [wrong]),
  ].join("\n\n");
}

/** One section for each check: its name, why it matters, and each finding with its fix. */
function chapters(found: readonly Finding[], verbose: boolean): string {
  const checks = CHECK_NAMES.filter((name) => found.some(({ check }) => check === name));
  return checks.map((check) => {
    const things = found.filter((each) => each.check === check);
    return [
      paint(isRemark({ check }) ? "yellow" : "red", check),
      ...wrapText(CHECKS[check].why, TEXT_WIDTH).map((line) => `  ${line}`),
      ...things.flatMap((thing) => thingLines(thing, verbose)),
    ].join("\n");
  }).join("\n\n");
}

function thingLines({ what, detail, fix, objects }: Finding, verbose: boolean): string[] {
  const each = verbose && objects.length > 1 ? objects : [];
  return [
    `  ${printable(what)}`,
    ...detailLines(detail).map((line) => `    ${line}`),
    ...(fix === null ? [] : [`    fix: ${paint("bold", printable(fix))}`]),
    ...each.flatMap((one) => [
      `    ${printable(one.what)}`,
      ...detailLines(one.detail).map((line) => `      ${line}`),
    ]),
  ];
}

function detailLines(detail: string | null): string[] {
  return detail === null ? [] : detail.split("; ").map(printable);
}

const TEXT_WIDTH = 76;

function tellNotChecked(notChecked: readonly NotChecked[]): void {
  for (const why of new Set(notChecked.map((each) => each.why))) {
    const checks = notChecked.filter((each) => each.why === why).map(({ check }) => check);
    report(`note: not checked: ${checks.join(", ")}: ${why}`);
  }
}
