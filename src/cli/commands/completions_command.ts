/** `cli.ts completions`: prints the script by which a shell completes this command. */

import { bashCompletion } from "../completion/bash_completion.ts";
import type { Command, CommandEntry } from "../command.ts";
import {
  type CommandWords,
  commandWords,
  type Shell,
  shellNamed,
} from "../completion/completion_words.ts";
import { fishCompletion } from "../completion/fish_completion.ts";
import { printRaw } from "../output.ts";
import { installedName } from "../program_name.ts";
import { optionsHelp, type OptionTable, parse } from "../usage.ts";
import { zshCompletion } from "../completion/zsh_completion.ts";
import { UsageError } from "../errors.ts";

/** The name of the command after installation. */
const PROGRAM = "sysv-shm";

const OPTIONS = {
  name: {
    value: "NAME",
    help: `what you call the command (default: as installed)`,
  },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

const help = (): string =>
  `Print the script by which a shell completes this command.

Usage: cli.ts completions [options] bash|zsh|fish

A shell completes a command by its name, so give it one first; the script, too,
calls it by that name, to complete keys and ids of what there is at the time:

  deno install --global --allow-ffi --name ${PROGRAM} cli.ts

Then, once (zsh: into a folder of your $fpath, before compinit):

  bash  echo 'source <(${PROGRAM} completions bash)' >> ~/.bashrc
  zsh   ${PROGRAM} completions zsh > ~/.zsh/completions/_${PROGRAM}
  fish  ${PROGRAM} completions fish > ~/.config/fish/completions/${PROGRAM}.fish

Commands, options, columns, checks, keys, ids and files are completed.

Options:
${optionsHelp(OPTIONS)}

Exit codes: 0 printed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts completions bash
  deno run --allow-ffi cli.ts completions fish --name shm
`;

const SCRIPTS: Readonly<
  Record<Shell, (program: string, commands: readonly CommandWords[]) => string>
> = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** The subcommand, which completes `commands`. It is one of them. */
export function completionsCommand(commands: readonly CommandEntry[]): Command {
  return {
    options: OPTIONS,
    completes: "shells",
    help,
    async run(args: readonly string[]): Promise<number> {
      const { options, positionals } = parse(args, OPTIONS);
      const [name, more] = positionals;
      if (name === undefined) throw new UsageError("for which shell? bash, zsh or fish");
      if (more !== undefined) throw new UsageError(`unexpected argument ${more}`);
      const shell = shellNamed(name);
      if (shell === undefined) throw new UsageError(`no shell ${name}: bash, zsh or fish`);
      const program = programName(options.name);
      const named = commands.map(async ({ name, summary, load }) => ({
        name,
        summary,
        ...await load(),
      }));
      await printRaw(SCRIPTS[shell](program, commandWords(await Promise.all(named))));
      return 0;
    },
  };
}

/** The program's name. It becomes part of the script, so only names that need no quoting are accepted. */
function programName(text: string | true | undefined): string {
  if (typeof text !== "string") return completedName(installedName()) ?? PROGRAM;
  const name = completedName(text);
  if (name !== undefined) return name;
  throw new UsageError(
    `option --name: ${JSON.stringify(text)} is no name of letters, digits and _ . + -`,
  );
}

function completedName(text = ""): string | undefined {
  return /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(text) ? text : undefined;
}
