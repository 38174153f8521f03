/** `cli.ts __complete`: prints what a shell offers. Hidden: the scripts of `completions` run it. */

import { type Command, command, type CommandEntry } from "../command.ts";
import { completion } from "../completion/candidates.ts";
import { printRaw } from "../output.ts";

/** The subcommand, which completes `commands`. */
export function completeCommand(commands: readonly CommandEntry[]): Command {
  return command({
    options: {},
    help: () => "Print what completes the last word: see `completions`.\n",
    async run({ positionals }): Promise<void> {
      const { candidates, then } = await completion(positionals, commands);
      const lines = candidates.map(({ word, help }) => `${word}\t${help.replaceAll(/\s+/g, " ")}`);
      await printRaw([...lines, `:${then}`, ""].join("\n"));
    },
  });
}
