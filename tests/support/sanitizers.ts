/**
 * C programs under ThreadSanitizer and AddressSanitizer, with the headers of `c` as they are or with the
 * protocol broken in one place: a test shows that the fault is found.
 */

import assert from "node:assert/strict";
import { removeSegment, removeSemaphoreSet } from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { missing, testWith } from "./needs.ts";
import { type Ended, freshKey, Peer, PROJECT, TestFolder } from "./peer.ts";

/** How a program is built. */
const BUILDS = {
  thread: ["-fsanitize=thread"],
  address: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
  plain: [],
} as const;

export type Build = keyof typeof BUILDS;

/** All headers by name. A program includes some of them. */
function headers(): [name: string, text: string][] {
  return Array.from(Deno.readDirSync(`${PROJECT}c`), ({ name }) => name)
    .filter((name) => name.endsWith(".h"))
    .map((name) => [name, Deno.readTextFileSync(`${PROJECT}c/${name}`)]);
}

/** Longer than any timeout: a peer that is not woken does not wake. */
const ENDLESS_SLICE = "-DSHM_SLICE_MS=600000";

/** What a sanitizer reports, and what the program itself does. */
export const EXIT = { wrong: 1, stuck: 3, race: 66 } as const;

/** Seconds without progress after which a program is stuck: more where no fault is expected. */
export const PATIENCE = { whole: 40, broken: 3 } as const;

/** A change of a header, which must be possible exactly once in all headers together. */
export type Change = readonly [from: string, to: string];

/** Builds `source` with headers that may be changed, runs it with a key and `args` to its end. */
export async function runSanitized(
  build: Build,
  source: URL,
  args: readonly (string | number)[],
  changes: readonly Change[] = [],
): Promise<Ended> {
  using folder = new TestFolder();
  const files = headers();
  for (const [from, to] of changes) {
    const all = files.map(([, text]) => text).join("");
    assert.equal(all.split(from).length, 2, `not once in the headers: ${from}`);
    for (const file of files) file[1] = file[1].replace(from, () => to);
  }
  for (const [name, text] of files) folder.file(name, text);
  const program = folder.compile("gcc", "program", [
    ...["-std=gnu11", "-O1", "-g1", "-fno-omit-frame-pointer", "-pthread", ENDLESS_SLICE],
    ...BUILDS[build],
    `-I${folder.path}`,
    source.pathname,
  ]);
  const key = freshKey();
  try {
    // The first race is enough: each takes seconds to tell of
    const options = { TSAN_OPTIONS: "halt_on_error=1" };
    await using peer = Peer.start(program, [key, ...args].map(String), options);
    return await peer.ended();
  } finally {
    removeAll(key);
  }
}

/** What a sanitizer stopped in the middle left behind. */
function removeAll(key: number): void {
  const [segment, set] = [findSegment(key), findSemaphoreSet(key)];
  if (segment !== undefined) removeSegment(segment);
  if (set !== undefined) removeSemaphoreSet(set);
}

const NEEDS = { tools: ["gcc"], files: true } as const;

/** Why programs of a build cannot run here: the compiler or the kernel may not let them. */
function unusable(build: Build): string | undefined {
  using folder = new TestFolder();
  try {
    const source = folder.file("nothing.c", "int main(void) { return 0; }");
    const program = folder.compile("gcc", "nothing", [...BUILDS[build], source]);
    const { success } = new Deno.Command(program, { stdout: "null", stderr: "null" }).outputSync();
    return success ? undefined : `what gcc ${BUILDS[build][0]} makes does not run here`;
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
    return `no gcc ${BUILDS[build][0]} on this machine`;
  }
}

const reasons = new Map<Build, string | undefined>();

/** Registers a test that needs programs of this build. */
export function sanitizerTest(build: Build, name: string, body: () => Promise<void>): void {
  if (!reasons.has(build)) {
    reasons.set(build, missing(NEEDS) === undefined ? unusable(build) : undefined);
  }
  const reason = reasons.get(build);
  if (reason === undefined) testWith(NEEDS, name, body);
  else Deno.test({ name: `${name} [${reason}]`, ignore: true, fn: body });
}

/** The protocol broken in one place: what must be found, and by which build. */
export interface Fault {
  readonly name: string;
  readonly build: Build;
  readonly changes: readonly Change[];
  readonly exit: number;
  readonly says: RegExp;
}

/** What ThreadSanitizer finds. */
export const RACE = { build: "thread", exit: EXIT.race, says: /data race/ } as const;

/** What a program finds itself in which a peer was not woken. */
export const STUCK = { build: "plain", exit: EXIT.stuck, says: /stuck after \d+ steps/ } as const;

/** Makes the window wide that the order of two steps leaves open. */
export const MOMENT = "{ const struct timespec moment = {0, 1000}; nanosleep(&moment, NULL); }";

/** Registers a test for each fault: `source` must find it, with `args` after the key. */
export function faultTests(
  source: URL,
  args: () => readonly (string | number)[],
  faults: readonly Fault[],
): void {
  for (const { name, build, changes, exit, says } of faults) {
    sanitizerTest(build, `found: ${name}`, async () => {
      const end = await runSanitized(build, source, args(), changes);
      assert.deepEqual([end.code, says.test(end.stderr)], [exit, true], end.stderr);
    });
  }
}

/** A number that makes each run another one. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
