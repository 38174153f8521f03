/** The short form of `deno task test:arm64` and `deno task probe`: what is installed is used, nothing is downloaded. */

import assert from "node:assert/strict";
import { CROSS, testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";
import { DENO, DENO_COMMAND, DENO_ENV, QEMU, TARGET } from "./tools.ts";

/** Runs a command in the project, and fails unless it ends well and prints this. */
async function prints(
  expected: RegExp,
  [command, ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(command!, {
    args,
    cwd: PROJECT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  assert(success, output);
  assert.match(output, expected);
}

testWith(
  { tools: ["deno"], files: true },
  "fast_calls: each bound function survives its hot loops on this machine",
  async () => {
    const probe = ["run", "--quiet", "--no-check", "-P=tests", "tests/arm64/fast_calls.ts", "1"];
    await prints(/no crash and no wrong result in 1 processes/, [Deno.execPath(), ...probe]);
  },
);

/** One case of each protocol, in both directions. */
const ONE_OF_EACH =
  "/^(TypeScript to C|C to TypeScript), \\w+: (every text|messages from the empty|values from the empty)/";

testWith(
  { tools: ["deno", QEMU, `${TARGET}-gcc`], files: true },
  "c: peers for aarch64 and TypeScript for this processor understand each other",
  async () => {
    await prints(/ok \| 8 passed/, [
      ...[Deno.execPath(), "test", "--no-check", "-P=tests", `--filter=${ONE_OF_EACH}`],
      "tests/interop/conformance_test.ts",
    ], { [CROSS]: TARGET });
  },
);

testWith(
  { tools: [QEMU], installed: [DENO] },
  "ftok: works in Deno for aarch64",
  async () => {
    await prints(/ok \| [1-9]\d* passed \| 0 failed/, [
      ...[...DENO_COMMAND, "test", "--no-check", "--allow-ffi", "--allow-read"],
      "tests/sysv/key_test.ts",
    ], DENO_ENV);
  },
);
