/** A copy of the project for tests that follow its pages, and the Deno that runs them. */

import assert from "node:assert/strict";
import { PROJECT } from "./peer.ts";

/** The folder of this Deno, to stand first on the PATH of a shell. */
export const DENO_FOLDER: string = Deno.execPath().replace(/\/[^/]*$/, "");

/** Copies the files git knows or would add, and nothing else, into a folder that is there. */
export function copyProject(to: string): void {
  const copy =
    'git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"';
  const { success, stderr } = new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", copy, to],
    cwd: PROJECT,
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}
