/** Mistakes on the command line of each command: one line that says what is wrong, a hint, and 2. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { HERE, runHere } from "./command_line.ts";

guardAgainstLeaks();

/** The arguments, and the message. */
type Mistake = readonly [args: readonly string[], message: RegExp];

const MISTAKES: Readonly<Record<string, readonly Mistake[]>> = {
  completions: [
    [[], /^Missing shell: bash, zsh or fish$/],
    [["sh"], /^no shell sh: bash, zsh or fish$/],
    [["bash", "zsh"], /^unexpected argument zsh$/],
    [["bash", "--name="], /^option --name: "" is no name of letters, digits and _ \. \+ -$/],
    [["bash", "--name", "a b"], /^option --name: "a b"/],
    [["bash", "--name", "x;y"], /^option --name: "x;y"/],
    [["bash", "--name", "../x"], /^option --name/],
    [["bash", "--name", "$(x)"], /^option --name/],
  ],
};

for (const [command, mistakes] of Object.entries(MISTAKES)) {
  Deno.test(`${command}: a mistake on the command line is one line, a hint, and 2`, async () => {
    for (const [args, message] of mistakes) {
      const { code, stdout, stderr } = await runHere(command, ...args);
      const [error, hint, ...rest] = stderr.split("\n");
      assert.match(error!.replace(/^error: /, ""), message);
      assert.deepEqual([code, stdout, hint, rest], [2, "", `try: ${HERE} ${command} --help`, [""]]);
    }
  });
}
