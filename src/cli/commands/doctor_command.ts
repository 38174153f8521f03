/** `cli.ts doctor`: looks for what goes wrong with shared memory, and says what to do about it. */

import { listSegments } from "../../sysv/segment_stat.ts";
import { listSemaphoreSets } from "../../sysv/semaphore_stat.ts";
import type { Command } from "../command.ts";
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
import { type Format, paint, print, printable, printJson, report } from "../output.ts";
import { AccountNames, FactsReader } from "../objects/segment_facts.ts";
import { semaphoreFacts } from "../objects/semaphore_facts.ts";
import { optionsHelp, type OptionTable, parse, refuseArguments, UsageError } from "../usage.ts";
import { plural } from "../text/wording.ts";

const CHECK_NAMES = Object.keys(CHECKS) as CheckName[];

const OPTIONS = {
  skip: {
    value: "CHECKS",
    choices: CHECK_NAMES,
    list: true,
    help: "leave these out: orphans,held,...",
  },
  json: { help: "as JSON; the stable form" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

const HELP = `Look for what goes wrong with shared memory, and say what to do about it.

Usage: cli.ts doctor [options]

Nothing is changed. The checks:
${checksHelp()}

Findings are what somebody should put right, and the exit code is 1. Remarks are
good to know, and with nothing but remarks it is 0. What could not be checked is
said on standard error: run with -A as root for all of it.

Options:
${optionsHelp(OPTIONS)}

--json is one object: findings and remarks, each an array of check, segment and
semaphoreSet (an id or null), what, why, fix (a command or null); and
notChecked, an array of check and why.

Exit codes: 0 nothing found; 1 something found, or failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts doctor
  deno run -A cli.ts doctor --skip held,orphans
  deno run --allow-ffi cli.ts doctor --json | jq -r '.findings[].fix'
`;

function checksHelp(): string {
  const width = Math.max(...CHECK_NAMES.map((name) => name.length));
  return CHECK_NAMES.map((name) => `  ${name.padEnd(width)}  ${CHECKS[name].looksFor}`).join("\n");
}

/** The subcommand. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "look for what goes wrong, and say what to do",
  options: OPTIONS,
  completes: "nothing",
  help: HELP,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals } = parse(args, OPTIONS);
    refuseArguments(positionals);
    const skipped = skippedChecks(options.skip);
    const diagnosis = without(skipped, examine());
    if (options.json === true) await printJson(JSON.stringify(diagnosis, null, 2));
    else await tell(diagnosis);
    return diagnosis.findings.length === 0 ? 0 : 1;
  },
};

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

/** Makes every check that can be made. */
function examine(): Diagnosis {
  const segments = listSegments();
  const names = new AccountNames();
  const reader = new FactsReader();
  const objects = examineObjects({
    segments,
    sets: listSemaphoreSets(),
    names,
    attachersOf: (id) => reader.attachersOf(id),
    semaphoresOf: semaphoreFacts,
  });
  const system = examineSystem(segments, names);
  const found = [...objects.found, ...examineLimits(limitFacts()), ...system.found];
  return {
    findings: found.filter((each) => !isRemark(each)),
    remarks: found.filter(isRemark),
    notChecked: [...objects.notChecked, ...system.notChecked],
  };
}

function without(
  skipped: ReadonlySet<CheckName>,
  { findings, remarks, notChecked }: Diagnosis,
): Diagnosis {
  const kept = ({ check }: { readonly check: CheckName }): boolean => !skipped.has(check);
  return {
    findings: findings.filter(kept),
    remarks: remarks.filter(kept),
    notChecked: notChecked.filter(kept),
  };
}

async function tell({ findings, remarks, notChecked }: Diagnosis): Promise<void> {
  const parts = [
    findings.length === 0 ? paint("green", "nothing wrong found") : chapters(findings, "red"),
    ...(remarks.length === 0 ? [] : [chapters(remarks, "yellow")]),
    ...(findings.length === 0 ? [] : [`${plural(findings.length, "finding")}`]),
  ];
  await print(parts.join("\n\n"));
  tellNotChecked(notChecked);
}

/** One chapter a check: its name, why it matters, and each thing found with what to do. */
function chapters(found: readonly Finding[], format: Format): string {
  const checks = CHECK_NAMES.filter((name) => found.some(({ check }) => check === name));
  return checks.map((name) => {
    const heading = isRemark(found.find(({ check }) => check === name)!) ? "remark: " : "";
    const things = found.filter(({ check }) => check === name).map(({ what, fix }) =>
      `  ${printable(what)}` + (fix === null ? "" : `\n    fix: ${paint("bold", printable(fix))}`)
    );
    return [
      paint(format, `${heading}${name}`),
      ...wrapped(CHECKS[name].why).map((line) => `  ${line}`),
      ...things,
    ].join("\n");
  }).join("\n\n");
}

const TEXT_WIDTH = 76;

/** A text in lines. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length === 0 || longer.length > TEXT_WIDTH) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** One line for each reason. */
function tellNotChecked(notChecked: readonly NotChecked[]): void {
  for (const why of new Set(notChecked.map((each) => each.why))) {
    const checks = notChecked.filter((each) => each.why === why).map(({ check }) => check);
    report(`note: not checked: ${checks.join(", ")}: ${why}`);
  }
}
