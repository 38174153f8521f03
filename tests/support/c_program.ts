/** A C program of a test's own, compiled when it is first started: register such tests with `C_NEEDS`. */

import { Peer, TestFolder } from "./peer.ts";

/** What tests that use {@linkcode CProgram} need. */
export const C_NEEDS = { tools: ["gcc"], files: true } as const;

/** One C source; make it once a test file, outside the tests. */
export class CProgram {
  readonly #source: string;
  #folder: TestFolder | undefined;
  #path: string | undefined;

  constructor(source: string) {
    this.#source = source;
    Deno.test.afterAll(() => this.#folder?.[Symbol.dispose]());
  }

  /** Starts it. */
  start(...args: readonly (string | number)[]): Peer {
    this.#folder ??= new TestFolder();
    this.#path ??= this.#folder.compile("gcc", "program", [
      ...["-O1", "-Wall", "-Wextra", "-Werror"],
      this.#folder.file("program.c", this.#source),
    ]);
    return Peer.start(this.#path, args.map(String));
  }
}
