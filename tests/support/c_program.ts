/** A C program of a test's own, compiled when it is first started: register such tests with `C_NEEDS`. */

import { Peer, PROJECT, TestFolder } from "./peer.ts";

/** What tests that use {@linkcode CProgram} need. */
export const C_NEEDS = { tools: ["gcc"], files: true } as const;

/**
 * One C source, as text or a file of the project, which may include the headers of `c/`; make it once
 * a test file, outside the tests.
 */
export class CProgram {
  readonly #source: string | URL;
  readonly #flags: readonly string[];
  #folder: TestFolder | undefined;
  #path: string | undefined;

  constructor(source: string | URL, ...flags: readonly string[]) {
    this.#source = source;
    this.#flags = flags;
    Deno.test.afterAll(() => this.#folder?.[Symbol.dispose]());
  }

  /** Starts it. */
  start(...args: readonly (string | number)[]): Peer {
    return this.startUnder([], ...args);
  }

  /** Starts it as the last arguments of another program, such as strace. */
  startUnder(command: readonly string[], ...args: readonly (string | number)[]): Peer {
    this.#folder ??= new TestFolder();
    this.#path ??= this.#folder.compile("gcc", "program", [
      ...["-O1", "-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`, ...this.#flags],
      typeof this.#source === "string"
        ? this.#folder.file("program.c", this.#source)
        : this.#source.pathname,
    ]);
    const [program, ...rest] = [...command, this.#path, ...args.map(String)];
    return Peer.start(program!, rest);
  }
}
