/**
 * The programs that the tests here and in `tests/crash` set against each other: server and client in
 * TypeScript (the command), in C++ (`c/`), and the classic C++ pair with all its faults.
 *
 * C++ is compiled when first asked for, once a run.
 */

import assert from "node:assert/strict";
import { ownObjects } from "../support/own_objects.ts";
import { Peer, PROJECT, TestFolder } from "../support/peer.ts";

export type Language = "TypeScript" | "C++";
export const LANGUAGES: readonly Language[] = ["TypeScript", "C++"];
export const PAIRINGS: readonly (readonly [server: Language, client: Language])[] = LANGUAGES
  .flatMap((server) => LANGUAGES.map((client) => [server, client] as const));

/** What a test needs that runs these programs. */
export const NEEDS = { tools: ["deno", "g++"], files: true } as const;

/** Starts the programs; make one a test file. */
export class Programs {
  #folder: TestFolder | undefined;
  readonly #compiled = new Map<string, string>();

  constructor() {
    Deno.test.afterAll(() => this.#folder?.[Symbol.dispose]());
  }

  /** The command line of a role, without options. */
  command(language: Language, role: "server" | "client"): [program: string, ...args: string[]] {
    if (language === "TypeScript") {
      return [Deno.execPath(), "run", "--allow-ffi", `${PROJECT}cli.ts`, role];
    }
    return [this.#compile(role, "-std=c++17", "-O2", `${PROJECT}c/${role}.cpp`)];
  }

  server(language: Language, key: number, ...args: readonly string[]): Peer {
    return this.#start(this.command(language, "server"), key, args);
  }

  client(language: Language, key: number, ...args: readonly string[]): Peer {
    return this.#start(this.command(language, "client"), key, args);
  }

  /** The classic programs never end: dispose them, and what they created is for the test to remove. */
  naive(role: "server" | "client", key: number): Peer {
    const source = `${PROJECT}tests/interop/naive_${role}.cpp`;
    return Peer.start(this.#compile(`naive_${role}`, "-O0", source), [`${key}`]);
  }

  #start([program, ...fixed]: [string, ...string[]], key: number, args: readonly string[]): Peer {
    return Peer.start(program, [...fixed, "--key", `${key}`, ...args]);
  }

  #compile(name: string, ...args: readonly string[]): string {
    const path = this.#compiled.get(name) ??
      (this.#folder ??= new TestFolder()).compile("g++", name, args);
    this.#compiled.set(name, path);
    return path;
  }
}

/** Resolves when a server, in whichever language, has its role and waits for messages. */
export async function listening(server: Peer): Promise<void> {
  await server.stderr(/^(listening on|server: waiting for messages at) /m);
}

/** Resolves when a client, in whichever language, waits and has found that there is no server. */
export async function waitingAlone(client: Peer): Promise<void> {
  await client.stderr(/no server (is )?attached/);
}

/** What a server prints for these messages. */
export function received(messages: readonly string[]): string {
  return messages.map((each) => `Received message: ${each}\n`).join("");
}

/** Fails unless the process ended by itself with this code; shows what it said. */
export async function assertEnds(peer: Peer, code: number): Promise<string> {
  const end = await peer.ended();
  assert.deepEqual({ code: end.code, signal: end.signal }, { code, signal: null }, end.stderr);
  return end.stdout;
}

/** Fails unless both the segment and the semaphores of a key are gone. */
export function assertNothingAt(key: number): void {
  assert.deepEqual(ownObjects().filter((each) => each.includes(` key ${key}`)), []);
}
