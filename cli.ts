/**
 * The command: `deno run --allow-ffi cli.ts server` and its like. Parses, dispatches, exits.
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
import { ShmError } from "./ffi/shm_error.ts";
import { explained } from "./src/cli/advice.ts";
import { channelCommand } from "./src/cli/commands/channel_command.ts";
import { chmodCommand } from "./src/cli/commands/chmod_command.ts";
import { chownCommand } from "./src/cli/commands/chown_command.ts";
import { clientCommand } from "./src/cli/commands/client_command.ts";
import { type Command, CommandFailure } from "./src/cli/command.ts";
import { createCommand } from "./src/cli/commands/create_command.ts";
import { completionsCommand } from "./src/cli/commands/completions_command.ts";
import { doctorCommand } from "./src/cli/commands/doctor_command.ts";
import { dumpCommand } from "./src/cli/commands/dump_command.ts";
import { limitsCommand } from "./src/cli/commands/limits_command.ts";
import { lsCommand } from "./src/cli/commands/ls_command.ts";
import { print, report, reportError, StandardStreamError } from "./src/cli/output.ts";
import { readCommand } from "./src/cli/commands/read_command.ts";
import { recvCommand } from "./src/cli/commands/recv_command.ts";
import { rmCommand } from "./src/cli/commands/rm_command.ts";
import { sendCommand } from "./src/cli/commands/send_command.ts";
import { serverCommand } from "./src/cli/commands/server_command.ts";
import { statCommand } from "./src/cli/commands/stat_command.ts";
import { topCommand } from "./src/cli/commands/top_command.ts";
import { helpAsStarted, programName } from "./src/cli/program_name.ts";
import { asksForHelp, UsageError } from "./src/cli/usage.ts";
import { watchCommand } from "./src/cli/commands/watch_command.ts";
import { writeCommand } from "./src/cli/commands/write_command.ts";

const COMMANDS: readonly Command[] = [
  serverCommand,
  clientCommand,
  sendCommand,
  recvCommand,
  channelCommand,
  lsCommand,
  statCommand,
  createCommand,
  rmCommand,
  chmodCommand,
  chownCommand,
  dumpCommand,
  readCommand,
  writeCommand,
  watchCommand,
  topCommand,
  limitsCommand,
  doctorCommand,
  completionsCommand(() => COMMANDS),
];

const HELP = `System V shared memory from the command line.

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
 * Runs the command line `args` and gives the exit code: 0 done, 1 failed, 2 wrong usage, 128 + n when
 * a signal cut it short. Prints on stdout and stderr.
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
  try {
    return await dispatch(name, rest);
  } catch (error) {
    // Nobody reads what a command goes on to print: it ends, as one that has printed all
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    if (error instanceof UsageError) {
      const known = COMMANDS.some((command) => command.name === name);
      reportError(error.message);
      report(`try: ${programName()} ${known ? `${name} ` : ""}--help`);
      return 2;
    }
    // What the system refused is a mistake or a circumstance; only our own bugs show a stack
    if (error instanceof ShmError) {
      reportError(explained(error, COMMANDS.find((command) => command.name === name)?.options));
      return 1;
    }
    if (error instanceof StandardStreamError || error instanceof CommandFailure) {
      reportError(error.message);
      return 1;
    }
    throw error;
  }
}

async function dispatch(name: string | undefined, args: readonly string[]): Promise<number> {
  if (name === undefined) throw new UsageError("which command?");
  if (name === "--help" || name === "-h" || name === "help") return await show(HELP);
  if (name === "--version" || name === "-V") {
    return await show(`${config.name} ${config.version}\n`);
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    const kind = name.startsWith("-") ? "option" : "command";
    throw new UsageError(`unknown ${kind} ${name}`);
  }
  if (asksForHelp(args, command.options)) return await show(command.help);
  return await command.run(args);
}

async function show(text: string): Promise<number> {
  await print(helpAsStarted(text).trimEnd());
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
