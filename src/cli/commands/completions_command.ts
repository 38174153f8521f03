/** `cli.ts completions`: prints the script by which a shell completes this command. */

import { command } from "../command.ts";
import { type Shell, SHELL_SCRIPTS } from "../completion/shell_scripts.ts";
import { UsageError } from "../errors.ts";
import { printRaw } from "../output.ts";
import { installedName } from "../program_name.ts";

/** The name of the command after installation. */
const PROGRAM = "sysv-shm";

const SHELLS = Object.keys(SHELL_SCRIPTS) as Shell[];

const help = (options: string): string =>
  `Print the script by which a shell completes this command.

Usage: cli.ts completions [options] bash|zsh|fish

A shell completes a command by its name, so give it one first. The script calls
it by that name too, to ask what the word being typed can become:

  deno install --global --allow-ffi --name ${PROGRAM} cli.ts

Then, once (zsh: into a folder of your $fpath, before compinit):

  bash  echo 'source <(${PROGRAM} completions bash)' >> ~/.bashrc
  zsh   ${PROGRAM} completions zsh > ~/.zsh/completions/_${PROGRAM}
  fish  ${PROGRAM} completions fish > ~/.config/fish/completions/${PROGRAM}.fish

Commands, options, columns, checks, keys, ids and files are completed.

Options:
${options}

Exit codes: 0 printed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts completions bash
  deno run --allow-ffi cli.ts completions fish --name shm
`;

export const completionsCommand = command({
  options: {
    name: { value: "NAME", help: "what you call the command (default: as installed)" },
  },
  verbs: SHELLS,
  completes: "nothing",
  help,
  async run({ options, positionals: [name] }): Promise<void> {
    if (name === undefined) throw new UsageError("Missing shell: bash, zsh or fish");
    const shell = SHELLS.find((each) => each === name);
    if (shell === undefined) throw new UsageError(`no shell ${name}: bash, zsh or fish`);
    await printRaw(SHELL_SCRIPTS[shell](programName(options.name)));
  },
});

/** The program's name. It becomes part of the script, so only names that need no quoting are accepted. */
function programName(text: string | true | undefined): string {
  const isPlain = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(name);
  if (typeof text !== "string") {
    const name = installedName();
    return name !== undefined && isPlain(name) ? name : PROGRAM;
  }
  if (isPlain(text)) return text;
  throw new UsageError(
    `option --name: ${JSON.stringify(text)} is not a name of letters, digits and _ . + -`,
  );
}
