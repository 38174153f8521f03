/** `cli.ts limits`: prints the system's limits, how much of each is used, and what sets it. */

import { command } from "../command.ts";
import { type LimitFacts, limitFacts } from "../objects/limit_facts.ts";
import { type Format, print, printJson } from "../output.ts";
import { type Column, tableLines } from "../text/table.ts";
import { UNKNOWN } from "../text/wording.ts";

const help = (options: string): string =>
  `Show what the system allows of shared memory and semaphores, and the use of it.

Usage: cli.ts limits [options]

All figures are exact and of this IPC namespace. Pages are counted as the kernel
does: each segment rounded up by itself. Limits of a single object have no use.
SYSCTL sets the limit; "kernel.sem 4" is the fourth number of kernel.sem. To set
one, as root:

  sysctl -w kernel.shmmni=8192
  sysctl -w kernel.sem="64000 1024000000 500 32768"

Options:
${options}

--json has for each: resource (the C name), description, unitBytes (the bytes of
a unit, or null), limit, used, percent, sysctl, sysctlField. null is no limit or
no use. Numbers have all their digits, also beyond 2^53: programs that read them
as doubles (jq before 1.7, JavaScript) round the last digits of large limits.

Exit codes: 0 shown; 1 failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts limits
  deno run --allow-ffi cli.ts limits --json | jq '.[] | select(.percent > 80)'
`;

const HIGH_PERCENT = 80;

const COLUMNS: readonly Column<LimitFacts>[] = [
  { name: "description", title: "RESOURCE" },
  { name: "limit", title: "LIMIT", right: true, text: ({ limit }) => `${limit ?? UNKNOWN}` },
  { name: "used", title: "USED", right: true },
  { name: "percent", title: "USE%", right: true, text: percentText, format: percentFormat },
  { name: "sysctl", title: "SYSCTL", text: sysctlText },
];

export const limitsCommand = command({
  options: {
    json: { help: "a JSON array; the stable form" },
  },
  completes: "nothing",
  help,
  async run({ options }): Promise<void> {
    const rows = limitFacts();
    if (options.json === true) await printJson(exactJson(rows));
    else await print(tableLines(COLUMNS, rows).join("\n"));
  },
});

/** JSON whose numbers have all their digits; `JSON.stringify` refuses a bigint. */
function exactJson(rows: readonly LimitFacts[]): string {
  const json = JSON.stringify(
    rows,
    (_, value) => typeof value === "bigint" ? `${value}n` : value,
    2,
  );
  return json.replace(/"([0-9]+)n"/g, "$1");
}

function percentText({ percent }: LimitFacts): string {
  if (percent === null) return UNKNOWN;
  const text = percent.toFixed(1);
  return percent > 0 && text === "0.0" ? "<0.1" : text;
}

function percentFormat({ percent }: LimitFacts): Format | undefined {
  return percent !== null && percent >= HIGH_PERCENT ? "red" : undefined;
}

function sysctlText({ sysctl, sysctlField }: LimitFacts): string {
  if (sysctl === null) return UNKNOWN;
  return sysctlField === null ? sysctl : `${sysctl} ${sysctlField}`;
}
