/**
 * The command: `deno run --allow-ffi cli.ts COMMAND`. Parses, dispatches, exits.
 *
 * @example Run a command from a program
 * ```ts
 * import { main } from "@sysv/shm/cli";
 * import assert from "node:assert/strict";
 *
 * assert.equal(await main(["--version"]), 0);
 * ```
 *
 * @module
 */

import config from "./deno.json" with { type: "json" };
import type { CommandEntry } from "./src/cli/command.ts";
import { COMMANDS, COMPLETE } from "./src/cli/command_list.ts";
import { print } from "./src/cli/output.ts";

const help = (): string =>
  `System V shared memory from the command line.

Usage: cli.ts COMMAND [options]

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(13)}${summary}`).join("\n")}

  cli.ts COMMAND --help   explains a command, with examples
  cli.ts --version        shows the version

Examples:
  deno run --allow-ffi cli.ts server
  deno run --allow-ffi cli.ts client "hello"
`;

/**
 * Runs the command line `args` and returns the exit code: 0 success, 1 failure, 2 wrong usage, 128 + n if
 * signal n ended it. Prints to stdout and stderr.
 *
 * @example
 * ```ts
 * import { main } from "@sysv/shm/cli";
 * import assert from "node:assert/strict";
 *
 * assert.equal(await main(["no-such-command"]), 2);
 * ```
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const entry = [...COMMANDS, COMPLETE].find((each) => each.name === name);
  try {
    return entry === undefined ? await withoutCommand(name) : await run(entry, rest);
  } catch (error) {
    const { reportFailure } = await import("./src/cli/failure.ts");
    return await reportFailure(error, entry);
  }
}

async function withoutCommand(name: string | undefined): Promise<number> {
  if (name === "--help" || name === "-h" || name === "help") return await show(help());
  if (name === "--version" || name === "-V") {
    await print(`${config.name} ${config.version}`);
    return 0;
  }
  const { UsageError } = await import("./src/cli/errors.ts");
  if (name === undefined) throw new UsageError("Missing command");
  if (name.startsWith("-")) throw new UsageError(`unknown option ${name}`);
  const { nearest } = await import("./src/cli/text/nearest.ts");
  const meant = nearest(name, COMMANDS.map((each) => each.name));
  throw new UsageError(
    `unknown command ${name}${meant === undefined ? "" : `: did you mean ${meant}?`}`,
  );
}

async function run({ load }: CommandEntry, args: readonly string[]): Promise<number> {
  const command = await load();
  const { asksForHelp } = await import("./src/cli/usage.ts");
  return asksForHelp(args, command.options) ? await show(command.help()) : await command.run(args);
}

async function show(help: string): Promise<number> {
  await print((await asStarted(help)).trimEnd());
  return 0;
}

/** A help text with the program's name replaced by the command that the user started it with. */
async function asStarted(help: string): Promise<string> {
  // A program that `deno install` installed runs with its own configuration
  if (runsByOwnConfig()) return help;
  const { helpAsStarted } = await import("./src/cli/program_name.ts");
  return helpAsStarted(help);
}

/** Whether this program runs with the `deno.json` beside it, the only one that knows the package name. */
function runsByOwnConfig(): boolean {
  try {
    return import.meta.resolve("@sysv/shm") === new URL("./mod.ts", import.meta.url).href;
  } catch {
    return false;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
