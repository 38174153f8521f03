/** Builds the hostile programs of the crash tests in C, and reads what they print. */

import assert from "node:assert/strict";
import { type Ended, PROJECT, type TestFolder } from "../support/peer.ts";

const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** A hostile program in C, by its path from `tests/`. */
export type HostileSource =
  | "crash/channel_hostile.c"
  | "crash/fan_out_hostile.c"
  | "latest/fuzz.c"
  | "topic/fuzz.c";

/** The program, compiled with sanitizers where this machine has them, and whether it has. */
export function hostileProgram(
  folder: TestFolder,
  source: HostileSource,
): { readonly path: string; readonly sanitized: boolean } {
  const flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`];
  const compile = (...more: string[]): string =>
    folder.compile("gcc", source.replaceAll(/\W/g, "_"), [
      ...flags,
      ...more,
      `${PROJECT}tests/${source}`,
    ]);
  try {
    const nothing = folder.compile("gcc", "nothing", [
      ...SANITIZERS,
      folder.file("nothing.c", "int main(void) { return 0; }"),
    ]);
    const { success } = new Deno.Command(nothing, { stdout: "null", stderr: "null" }).outputSync();
    if (success) return { path: compile(...SANITIZERS), sanitized: true };
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
  }
  return { path: compile(), sanitized: false };
}

/** The figures of the program's last line; fails if it did not end well. */
export function figures(
  what: string,
  { code, signal, stdout, stderr }: Ended,
): Record<string, number> {
  assert.deepEqual([code, signal, stderr], [0, null, ""], `${what}: ${stdout}`);
  const line = stdout.trimEnd().split("\n").at(-1)!;
  return Object.fromEntries(
    [...line.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name!, Number(value)]),
  );
}
